"""Loaders gather the keys that one level of a query asks for into one statement.

They need no registration: a loader is made at its first use, for one snapshot.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from strawberry.dataloader import DataLoader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping
    from uuid import UUID

    from domain.database import Row
    from domain.filters import Condition
    from domain.models import Base
    from domain.paging import Page, Rows
    from domain.reads import Reads

    Batch = Callable[[Reads, list[Any]], Awaitable[Mapping[Any, Any]]]


class Loaders:
    """The loaders of one snapshot."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._made: dict[Hashable, DataLoader[Any, Any]] = {}

    async def one(self, model: type[Base], key: UUID | None) -> Row | None:
        """The visible row with this key, or None."""
        if key is None:
            return None

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            return await reads.by_keys(model, keys)

        row: Row | None = await _shared(self._loader(("one", model), batch), key)
        return row

    async def many(self, model: type[Base], parent: str, key: UUID, page: Page) -> Rows:
        """One page of the rows whose foreign key ``parent`` is ``key``."""

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            return await reads.children(model, parent, keys, page)

        loader = self._loader(("many", model, parent, page.identity()), batch)
        rows: Rows = await _shared(loader, key)
        return rows

    async def count(
        self, model: type[Base], parent: str, key: UUID, conditions: tuple[Condition, ...]
    ) -> int:
        """How many rows have the foreign key ``parent`` at ``key``."""

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            return await reads.child_counts(model, parent, keys, conditions)

        values = tuple((c.column, c.operator, repr(c.value)) for c in conditions)
        loader = self._loader(("count", model, parent, values), batch)
        return await _shared(loader, key) or 0

    async def by(self, batch: Batch, key: Any) -> Any:
        """What ``batch`` gives for this key, or None; it is called once with all keys."""
        return await _shared(self._loader(("by", batch), batch), key)

    def _loader(self, name: Hashable, batch: Batch) -> DataLoader[Any, Any]:
        loader = self._made.get(name)
        if loader is None:

            async def load(keys: list[Any]) -> list[Any]:
                values = await batch(self._reads, keys)
                return [values.get(key) for key in keys]

            loader = self._made[name] = DataLoader(load_fn=load)
        return loader


async def _shared(loader: DataLoader[Any, Any], key: Any) -> Any:
    # One future answers all fields that ask for a key. A field that is cancelled, as those beside a
    # null that may not be are, would take it along, and with it fields that are well.
    return await asyncio.shield(loader.load(key))
