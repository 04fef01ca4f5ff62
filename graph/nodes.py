"""Nodes: types with a global id, found again by it whatever their table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import strawberry

from domain.errors import LimitExceeded, NotFound
from graph.context import Context, Info
from graph.edges import batch_field
from graph.scalars import decoded_id, encoded_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from domain.database import Row
    from domain.models import Base

T = TypeVar("T", bound=type)

NODES: dict[str, type[Base]] = {}
"""The table behind each type of node."""


def _ids(_context: Context, rows: Sequence[Any], _arguments: Any) -> list[str]:
    # The rows of one column are of one type, and the type names the table.
    return encoded_ids(rows[0].model.__name__, [row["id"] for row in rows])


@strawberry.interface(description="Something with an id that is unique in the whole graph.")
class Node:
    """What `node` and `nodes` find."""

    id: strawberry.ID = batch_field(_ids, "The opaque id, unique in the whole graph.")


class RowsOf:
    """Tells whether a value is a row of a table, which its class alone says."""

    def __init__(self, model: type[Base]) -> None:
        self._model = model

    def __call__(self, value: Any, _info: Any) -> bool:
        """Tells it of one value."""
        return self.by_kind(type(value))

    def by_kind(self, kind: type) -> bool:
        """Tells it of all values of a class."""
        return getattr(kind, "model", None) is self._model


def node(model: type[Base], description: str) -> Callable[[T], T]:
    """Declares the type of the rows of ``model``, which bears the table's class name."""

    def declared(cls: T) -> T:
        NODES[cls.__name__] = model
        cls.is_type_of = RowsOf(model)  # type: ignore[attr-defined]
        return strawberry.type(description=description)(cls)

    return declared


async def changed(info: Info, model: type[Base], key: UUID) -> Any:
    """The row that a mutation has made or changed, as it is now.

    Raises `NotFound` where it is gone: between the change and this look somebody else deleted it.
    """
    row = await info.context.loaders.one(model, key)
    if row is None:
        message = (
            "This was done, but can't be shown: somebody has deleted it, or you may not read it."
        )
        raise NotFound(message)
    return row


async def found(info: Info, text: str) -> Row | None:
    """The row behind a global id, or None when it is unknown or outside the scope."""
    try:
        type_name, key = decoded_id(text)
    except NotFound:
        return None
    model = NODES.get(type_name)
    return None if model is None else await info.context.loaders.one(model, key)


async def found_all(info: Info, texts: list[strawberry.ID]) -> list[Row | None]:
    """The rows behind global ids, those of one type in one statement.

    Raises `LimitExceeded` for more ids than a page may hold.
    """
    limit = info.context.parts.settings.page_limit
    if len(texts) > limit:
        message = f"At most {limit} ids can be asked for at once."
        raise LimitExceeded(message)
    return list(await asyncio.gather(*(found(info, text) for text in texts)))
