"""Loaders gather the keys that one level of a query asks for into one statement.

They need no registration: a loader is made at its first use, for one snapshot. A batch field asks
for its whole column at once; a resolver of one object asks for one key, and those that are asked
for in the same turn of the event loop go together.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
    from uuid import UUID

    from domain.database import Row
    from domain.filters import Condition
    from domain.models import Base
    from domain.paging import Page
    from domain.reads import Reads

    Batch = Callable[[Reads, list[Any]], Awaitable[Mapping[Any, Any]]]


class Loader:
    """Fetches values by key, each key once."""

    def __init__(self, reads: Reads, batch: Batch) -> None:
        self._reads = reads
        self._batch = batch
        self._found: dict[Any, Any] = {}
        self._asked: dict[Any, asyncio.Future[None]] = {}
        """The keys that were not asked for in a batch yet or wait for its answer."""
        self._next: list[Any] = []
        """Those of them that the next batch takes."""
        self._running: set[asyncio.Task[None]] = set()

    async def values(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        """The values of these keys and of others; what is missing has none."""
        found = self._found
        wanted = [key for key in dict.fromkeys(keys) if key not in found]
        if wanted:
            answer = await self._batch(self._reads, wanted)
            found.update((key, answer.get(key)) for key in wanted)
        return found

    async def value(self, key: Any) -> Any:
        """The value of one key, or None."""
        if key not in self._found:
            asked = self._asked.get(key)
            if asked is None:
                loop = asyncio.get_running_loop()
                asked = self._asked[key] = loop.create_future()
                self._next.append(key)
                if len(self._next) == 1:
                    # The fields of one level start one after another, each as a task: all of them
                    # have asked when what they scheduled is over.
                    loop.call_soon(loop.call_soon, self._go)
            # One future answers all fields that ask for a key. A field that is cancelled, as those
            # beside a null that may not be are, would take it along, and fields that are well.
            await asyncio.shield(asked)
        return self._found[key]

    def _go(self) -> None:
        keys, self._next = self._next, []
        task = asyncio.ensure_future(self._answer(keys))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, keys: list[Any]) -> None:
        try:
            await self.values(keys)
        except Exception as error:  # noqa: BLE001 (whoever asked gets it)
            for key in keys:
                asked = self._asked.pop(key)
                asked.set_exception(error)
                asked.exception()  # all who asked may have been cancelled
        else:
            for key in keys:
                self._asked.pop(key).set_result(None)


class Loaders:
    """The loaders of one snapshot."""

    def __init__(self, reads: Reads, columns: Mapping[type[Base], frozenset[str]]) -> None:
        self._reads = reads
        self.columns = columns
        """What the operation selects of each table; a table that is missing is read whole."""
        self._made: dict[Hashable, Loader] = {}

    async def one(self, model: type[Base], key: UUID | None) -> Row | None:
        """The visible row with this key, with all its columns, or None."""
        if key is None:
            return None

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            return await reads.by_keys(model, keys)

        row: Row | None = await self._loader(("whole", model), batch).value(key)
        return row

    async def by(self, batch: Batch, key: Any) -> Any:
        """What ``batch`` gives for this key, or None; it is called once with all keys."""
        return await self.of(batch).value(key)

    def rows_of(self, model: type[Base]) -> Loader:
        """The loader of a table's visible rows by their keys, with the selected columns."""

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            return await reads.by_keys(model, keys, self.columns.get(model))

        return self._loader(("one", model), batch)

    def pages_of(self, model: type[Base], parent: str, page: Page) -> Loader:
        """The loader of one page of a table's rows for each value of the foreign key ``parent``."""

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            return await reads.children(model, parent, keys, page, self.columns.get(model))

        return self._loader(("many", model, parent, page.identity()), batch)

    def counts_of(
        self, model: type[Base], parent: str, conditions: tuple[Condition, ...]
    ) -> Loader:
        """The loader of how many rows have each value of the foreign key ``parent``."""

        async def batch(reads: Reads, keys: list[Any]) -> Mapping[Any, Any]:
            counts = await reads.child_counts(model, parent, keys, conditions)
            return dict.fromkeys(keys, 0) | counts

        values = tuple((c.column, c.operator, repr(c.value)) for c in conditions)
        return self._loader(("count", model, parent, values), batch)

    def of(self, batch: Batch) -> Loader:
        """The loader of a batch; equal batches have one loader."""
        return self._loader(("by", batch), batch)

    def _loader(self, name: Hashable, batch: Batch) -> Loader:
        loader = self._made.get(name)
        if loader is None:
            loader = self._made[name] = Loader(self._reads, batch)
        return loader
