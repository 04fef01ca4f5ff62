"""A log in memory that is followed as a live source."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graph.transport.live import Batch, Happening, LiveSource, Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class SharedContext:
    """A context of everybody who follows."""

    request_id = "shared"

    def __init__(self) -> None:
        self.failure: BaseException | None = None

    def next_event(self) -> None:
        """Counts nothing."""

    def begin(self, _document: Any) -> None:
        pass

    async def close(self) -> None:
        await asyncio.sleep(0)


class MemoryLog(Log):
    """Events that were written, each at its place from 1."""

    key = "memory"

    def __init__(self) -> None:
        self.events: list[object] = []
        self.executed = 0
        self._wakes: set[Callable[[], None]] = set()

    def write(self, *events: object) -> None:
        self.events += events
        for wake in self._wakes:
            wake()

    @property
    def is_followed(self) -> bool:
        return bool(self._wakes)

    def context(self) -> SharedContext:
        return SharedContext()

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        self._wakes.add(wake)
        try:
            yield
        finally:
            self._wakes.discard(wake)

    async def mark(self, _context: Any) -> tuple[int, bool]:
        return len(self.events), False

    async def snapshot(self, _context: Any) -> tuple[Batch, int]:
        return Batch([]), len(self.events)

    async def after(self, _context: Any, place: int, until: int | None) -> Batch:
        await asyncio.sleep(0)
        found = self.events[place:until]
        self.executed += len(found)
        return Batch([Happening(place + n, event) for n, event in enumerate(found, start=1)])


class MemorySource(LiveSource):
    """One subscriber's way through it."""

    def __init__(self, log: MemoryLog, after: int | None) -> None:
        self.log = log
        self.place = after

    def watch(self, _changed: Callable[[], None]) -> None:
        """Never changes."""

    async def renew(self) -> None:
        """Is always the same."""

    def close(self) -> None:
        """Holds nothing."""
