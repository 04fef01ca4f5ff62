"""The sockets and event streams that are open in this process, so that a shutdown can end them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


class OpenStreams:
    """Keeps how each open socket or event stream is told to end."""

    def __init__(self) -> None:
        self.closing = False
        self._ends: dict[object, Callable[[], None]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._ends)

    @contextmanager
    def opened(self, end: Callable[[], None]) -> Iterator[None]:
        """Counts a stream as open; ``end`` is called when the process shuts down."""
        key = object()
        self._ends[key] = end
        self._empty.clear()
        if self.closing:
            end()
        try:
            yield
        finally:
            del self._ends[key]
            if not self._ends:
                self._empty.set()

    async def close(self, seconds: float) -> None:
        """Ends all streams and every one that is opened later, and waits until they have ended.

        Waits for at most ``seconds``: what a client holds up longer is left to the server.
        """
        self.closing = True
        for end in tuple(self._ends.values()):
            end()
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return


def at(moment: datetime | None, act: Callable[[], None]) -> asyncio.TimerHandle | None:
    """Calls ``act`` at a moment, at once when it has passed; never when there is none."""
    if moment is None:
        return None
    seconds = (moment - datetime.now(UTC)).total_seconds()
    return asyncio.get_running_loop().call_later(max(0, seconds), act)
