"""Plans: what a selection set asks of one object type, collected once and kept for the document."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from operator import attrgetter
from typing import Any

from graphql import (
    FieldNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    Node,
    VariableNode,
    is_abstract_type,
    is_introspection_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails

from graph.executor.batch import Batch, batch_of, strawberry_field
from graph.executor.leaves import Leaf

STANDARD = {"skip", "include"}
"""The directives that collecting fields has dealt with."""


class How(Enum):
    """How the column of a field comes about."""

    TYPENAME = auto()
    """Each value is the name of the type."""
    ATTRIBUTE = auto()
    """Each value is an attribute of the object."""
    BATCH = auto()
    """A batch gives the column as one."""
    RESOLVER = auto()
    """A resolver is called for each object."""
    STEPWISE = auto()
    """graphql-core executes the field and all below it, for each object."""


class Shape:
    """A type of the schema as values are completed by it: null or not, then what it holds."""

    __slots__ = ("abstract", "inner", "item", "leaf", "nullable", "object")

    def __init__(self, type_: GraphQLOutputType) -> None:
        self.nullable = not is_non_null_type(type_)
        inner: Any = type_ if self.nullable else type_.of_type  # type: ignore[union-attr]
        self.inner: GraphQLOutputType = inner
        """The type without its being non-null."""
        self.item: Shape | None = Shape(inner.of_type) if is_list_type(inner) else None
        self.leaf: Leaf | None = Leaf(inner) if is_leaf_type(inner) else None
        self.abstract: GraphQLAbstractType | None = inner if is_abstract_type(inner) else None
        self.object: GraphQLObjectType | None = (
            inner if isinstance(inner, GraphQLObjectType) else None
        )


class Field:
    """One field of a selection, all mentions of its response name together."""

    __slots__ = (
        "arguments",
        "attribute",
        "batch",
        "definition",
        "details",
        "how",
        "name",
        "node",
        "nodes",
        "parent",
        "selections",
        "shape",
        "variables",
    )

    def __init__(
        self, name: str, details: list[FieldDetails], parent: GraphQLObjectType, field: GraphQLField
    ) -> None:
        self.name = name
        """The response name, its alias if it has one."""
        self.details = details
        self.nodes: list[FieldNode] = [detail.node for detail in details]
        self.node = self.nodes[0]
        self.parent = parent
        self.definition = field
        self.shape = Shape(field.type)
        self.batch: Batch | None = None
        self.attribute: Callable[[Any], Any] | None = None
        self.how = self._how(field)
        self.variables = tuple(sorted(_variables(self.nodes[0])))
        """The variables that its arguments name."""
        self.arguments: dict[tuple[Any, ...], dict[str, Any]] = {}
        """The arguments of a batch as its function takes them, by the values of the variables."""
        self.selections: dict[GraphQLObjectType, Selection] = {}
        """What is selected of the objects below, by their type; made when the first ones come."""

    def _how(self, field: GraphQLField) -> How:
        if self.node.name.value == "__typename":
            return How.TYPENAME
        if _is_introspection(field) or any(map(_unknown, self.details)):
            return How.STEPWISE
        own = strawberry_field(field)
        if own is not None and own.extensions:
            return How.STEPWISE
        self.batch = batch_of(field)
        if self.batch is not None:
            return How.BATCH
        plain = getattr(field.resolve, "_is_default", False)
        if plain and own is not None and own.is_basic_field and own.default_resolver is getattr:
            self.attribute = attrgetter(own.python_name)
            return How.ATTRIBUTE
        return How.RESOLVER


class Selection:
    """What is selected of the objects of one type that stand at one place of the document."""

    __slots__ = ("fields", "names", "type")

    def __init__(self, type_: GraphQLObjectType, fields: list[Field]) -> None:
        self.type = type_
        self.fields = fields
        self.names = tuple(field.name for field in fields)


class Plan:
    """The plan of one operation under one choice of `@skip` and `@include`; it grows as it runs."""

    def __init__(self) -> None:
        self.root: Selection | None = None
        self.fields = 0
        """How many fields it holds, which is what it costs to keep."""

    def selection(
        self, executor: Executor[Any], field: Field, type_: GraphQLObjectType
    ) -> Selection:
        """What is selected below a field of objects of one type."""
        found = field.selections.get(type_)
        if found is None:
            collected = executor.collect_subfields(type_, field.details)
            found = self.made(executor, type_, collected.grouped_field_set)
            field.selections[type_] = found
        return found

    def made(
        self,
        executor: Executor[Any],
        type_: GraphQLObjectType,
        grouped: dict[str, list[FieldDetails]],
    ) -> Selection:
        """The selection that graphql-core has collected for a type."""
        fields = []
        for name, details in grouped.items():
            definition = executor.schema.get_field(type_, details[0].node.name.value)
            if definition is not None:
                fields.append(Field(name, details, type_, definition))
        self.fields += len(fields)
        return Selection(type_, fields)


def _is_introspection(field: GraphQLField) -> bool:
    type_: Any = field.type
    while hasattr(type_, "of_type"):
        type_ = type_.of_type
    return is_introspection_type(type_)


def _unknown(detail: FieldDetails) -> bool:
    """Tells whether a mention of a field asks for more than a plan knows of."""
    if detail.defer_usage is not None or detail.fragment_variable_values is not None:
        return True
    return any(directive.name.value not in STANDARD for directive in detail.node.directives or ())


def _variables(field: FieldNode) -> set[str]:
    """The names of the variables in a field's arguments."""
    names: set[str] = set()
    unseen: list[Node] = list(field.arguments or ())
    while unseen:
        node = unseen.pop()
        if isinstance(node, VariableNode):
            names.add(node.name.value)
        for key in node.keys:
            child = getattr(node, key, None)
            children = child if isinstance(child, (list, tuple)) else (child,)
            unseen.extend(each for each in children if isinstance(each, Node))
    return names
