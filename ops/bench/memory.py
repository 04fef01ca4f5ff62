"""The peak memory of processes that are measured while they work."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOK_SECONDS = 0.02


class Peaks:
    """The highest resident set size seen so far, in bytes: of a process, and of all below another.

    What is below is summed up at each look: a sandboxed child is several processes. Without a
    ``parent`` nothing is looked at but the process.
    """

    def __init__(self, process: int, parent: int | None) -> None:
        self._process = psutil.Process(process)
        self._parent = psutil.Process(parent) if parent is not None else None
        self.process = 0
        self.children = 0

    def look(self) -> None:
        """Looks once."""
        self.process = max(self.process, _resident(self._process))
        if self._parent is not None:
            below = self._parent.children(recursive=True)
            self.children = max(self.children, sum(_resident(child) for child in below))


@contextlib.asynccontextmanager
async def watched(process: int, parent: int | None = None) -> AsyncIterator[Peaks]:
    """Looks every 20 ms until the context ends."""
    peaks = Peaks(process, parent)

    async def look_again_and_again() -> None:
        while True:
            await asyncio.to_thread(peaks.look)
            await asyncio.sleep(LOOK_SECONDS)

    task = asyncio.create_task(look_again_and_again())
    try:
        yield peaks
    finally:
        task.cancel()
        await asyncio.wait([task])


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
