"""Edges: fields of a type that are declared, and resolved for a column of its rows at once."""

from __future__ import annotations

import inspect
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, get_args

import strawberry

from graph.context import Context, Info
from graph.executor.batch import BATCH, COLUMNS, Batch, Load, for_one
from graph.scalars import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from domain.models import Base
    from graph import loaders


def batch_field(
    batch: Batch,
    description: str,
    *columns: str,
    arguments: Mapping[str, Any] | None = None,
) -> Any:
    """A field whose column ``batch`` gives; the type is what the class's annotation says.

    ``columns`` are those that it reads of a row. ``arguments`` are the types of its arguments by
    their names; those whose types allow null may be left out.
    """

    async def resolve(self: Any, info: Info, **given: Any) -> Any:
        return await for_one(batch, info.context, self, given)

    given = arguments or {}
    by_name = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Info),
        *(
            inspect.Parameter(name, by_name, default=_default(type_), annotation=type_)
            for name, type_ in given.items()
        ),
    ]
    resolve.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return strawberry.field(
        resolver=resolve,
        description=description,
        metadata={BATCH: batch, COLUMNS: frozenset(columns)},
    )


def one(model: type[Base], key: str, description: str) -> Any:
    """A field: the visible row of ``model`` whose id stands in the column ``key``, or null."""

    def load(context: Context, rows: Sequence[Any], _arguments: Any) -> Load:
        return Load(context.loaders.rows_of(model), [row[key] for row in rows])

    return batch_field(load, description, key)


def found(model: type[Base], description: str, argument: str) -> Any:
    """A field of the root: the visible row of ``model`` with the id that it is given, or null."""

    def load(context: Context, parents: Sequence[Any], arguments: dict[str, Any]) -> Load:
        key = key_of(model.__name__, arguments["id"])
        return Load(context.loaders.rows_of(model), [key] * len(parents))

    given = Annotated[strawberry.ID, strawberry.argument(description=argument)]
    return batch_field(load, description, arguments={"id": given})


def by(batch: loaders.Batch, key: str, description: str, missing: Any = None) -> Any:
    """A field: what ``batch`` gives for the column ``key``, ``missing()`` where that is nothing."""

    def load(context: Context, rows: Sequence[Any], _arguments: Any) -> Load:
        finish = None if missing is None else lambda found: [each or missing() for each in found]
        return Load(context.loaders.of(batch), [row[key] for row in rows], finish)

    return batch_field(load, description, key)


def _default(type_: Any) -> Any:
    """Null for an argument that may be left out."""
    allowed = get_args(get_args(type_)[0])
    return None if NoneType in allowed else inspect.Parameter.empty
