"""Columnar execution: each field once over all objects of a level, instead of object by object.

GraphQL's algorithm (specification, section 6) goes through an answer depth first: for each object
it resolves and completes each field. Here the same answer is made breadth first:

- *plan*: what a selection set asks of one object type, collected once by graphql-core's own helpers
  and kept for the document (`plan`, `plans`);
- *columns*: all objects that stand at one place of the document are one *group*; each field of
  theirs is resolved and completed as one column of values (`waves`, `completion`, `leaves`);
- *waves*: fields that have to wait, for the database most of all, are asked together, each loader
  once for all keys of the wave (`waves`, `batch`);
- *errors*: a position that fails holds a `Failure` until the columns are folded into objects, from
  the leaves up; it becomes null, with its error, where the type allows null (`completion`);
- *fallback*: what the plan does not know is left to graphql-core, for that field and all below it
  (`execution`, `tally`).
"""
