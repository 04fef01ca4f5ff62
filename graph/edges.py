"""Edges: fields of a type that are declared, and resolved for a column of its rows at once."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import strawberry

from graph.context import Context, Info
from graph.executor.batch import BATCH, Batch, Load, for_one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from domain.models import Base
    from graph import loaders


def batch_field(
    batch: Batch,
    description: str,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    """A field whose column ``batch`` gives; the type is what the class's annotation says.

    ``arguments`` are the types of its arguments by their names; all of them may be left out.
    """

    async def resolve(self: Any, info: Info, **given: Any) -> Any:
        return await for_one(batch, info.context, self, given)

    given = arguments or {}
    by_name = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Info),
        *(
            inspect.Parameter(name, by_name, default=None, annotation=type_)
            for name, type_ in given.items()
        ),
    ]
    resolve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return strawberry.field(
        resolver=resolve, name=name, description=description, metadata={BATCH: batch}
    )


def computed(value: Callable[[Any], Any], description: str) -> Any:
    """A field that is computed from each row alone."""
    return batch_field(lambda _context, rows, _arguments: list(map(value, rows)), description)


def one(model: type[Base], key: str, description: str) -> Any:
    """A field: the visible row of ``model`` whose id stands in the column ``key``, or null."""

    def load(context: Context, rows: Sequence[Any], _arguments: Any) -> Load:
        return Load(context.loaders.rows_of(model), [row[key] for row in rows])

    return batch_field(load, description)


def by(batch: loaders.Batch, key: str, description: str, missing: Any = None) -> Any:
    """A field: what ``batch`` gives for the column ``key``, ``missing()`` where that is nothing."""

    def load(context: Context, rows: Sequence[Any], _arguments: Any) -> Load:
        finish = None if missing is None else lambda found: [each or missing() for each in found]
        return Load(context.loaders.of(batch), [row[key] for row in rows], finish)

    return batch_field(load, description)
