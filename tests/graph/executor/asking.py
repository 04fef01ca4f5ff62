"""Small schemas executed by columns, with a count of how they were executed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from graphql import parse

from graph.executor.execution import ColumnarExecutor, Tally

if TYPE_CHECKING:
    from graphql import GraphQLSchema


async def executed(
    schema: GraphQLSchema, text: str, root: Any = None, kind: Any = ColumnarExecutor, **more: Any
) -> tuple[Any, Tally]:
    """Gives the answer and the tally of one document."""
    tally = Tally()
    if issubclass(kind, ColumnarExecutor):
        more["tally"] = tally
    executor = kind.build(schema, parse(text), root, **more)
    outcome = executor.execute_operation()
    return await outcome if inspect.isawaitable(outcome) else outcome, tally
