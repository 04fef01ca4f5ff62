"""Work that turns one file into others: it runs inside the sandboxed child and knows nothing else.

Nothing in here reaches a database, object storage or the network. A task takes its input from the
job directory (the working directory), leaves its output there, and returns a JSON document.
"""
