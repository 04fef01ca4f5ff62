"""Nodes: types with a global id, found again by it whatever their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import strawberry

from domain.errors import LimitExceeded, NotFound
from graph.context import Context, Info
from graph.edges import batch_field
from graph.executor.batch import Load
from graph.scalars import decoded_id, encoded_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from domain.database import Row
    from domain.models import Base
    from domain.reads import Reads

T = TypeVar("T", bound=type)

ALL = "all"
"""The only key of what is found as a whole."""

NODES: dict[str, type[Base]] = {}
"""The table behind each type of node."""


def _ids(_context: Context, rows: Sequence[Any], _arguments: Any) -> list[str]:
    # The rows of one column are of one type, and the type names the table.
    return encoded_ids(rows[0].model.__name__, [row["id"] for row in rows])


@strawberry.interface(description="Something with an id that is unique in the whole graph.")
class Node:
    """What `node` and `nodes` find."""

    id: strawberry.ID = batch_field(_ids, "The opaque id, unique in the whole graph.", "id")


class RowsOf:
    """Tells whether a value is a row of a table, which its class alone says."""

    def __init__(self, model: type[Base]) -> None:
        self.model = model

    def __call__(self, value: Any, _info: Any) -> bool:
        """Tells it of one value."""
        return self.by_kind(type(value))

    def by_kind(self, kind: type) -> bool:
        """Tells it of all values of a class."""
        return getattr(kind, "model", None) is self.model


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


def found(context: Context, parents: Sequence[Any], arguments: dict[str, Any]) -> Load | list[None]:
    """The row behind a global id, or None when it is unknown or outside the scope."""
    model, key = _named(arguments["id"])
    if model is None:
        return [None] * len(parents)
    return Load(context.loaders.rows_of(model), [key] * len(parents))


def found_all(context: Context, parents: Sequence[Any], arguments: dict[str, Any]) -> Load:
    """The rows behind global ids, those of one type in one statement.

    Raises `LimitExceeded` for more ids than a page may hold.
    """
    texts = arguments["ids"]
    limit = context.parts.settings.page_limit
    if len(texts) > limit:
        message = f"At most {limit} ids can be asked for at once."
        raise LimitExceeded(message)
    named = [_named(text) for text in texts]
    loaders = context.loaders

    async def rows(_reads: Reads, keys: list[Any]) -> dict[Any, list[Row | None]]:
        wanted: dict[type[Base], list[UUID]] = {}
        for model, key in named:
            if model is not None:
                wanted.setdefault(model, []).append(key)
        by_model = {model: await loaders.rows_of(model).values(ks) for model, ks in wanted.items()}
        answer = [None if model is None else by_model[model].get(key) for model, key in named]
        return {keys[0]: answer}

    return Load(loaders.of(rows), [ALL] * len(parents))


def _named(text: str) -> tuple[type[Base] | None, Any]:
    """The table and key that a global id names, no table where it names nothing."""
    try:
        type_name, key = decoded_id(text)
    except NotFound:
        return None, None
    return NODES.get(type_name), key
