"""One execution and one encoding of each event, for however many subscribers follow the same.

A `Feed` is shared by the subscribers of one document, its variables without the cursor, one scope
and its permissions. It keeps the last few entries. Who joins it with an older cursor has what lies
between executed once for all who come after, or, where that is much, goes through it alone; either
way it meets the live stream at an entry that is kept, so nothing is missed and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import TypeVar

from domain.errors import Unavailable
from graph.transport.completion import to_completion
from graph.transport.live import Batch, Entry, LiveSource, Log, SharedContext, Sink
from graph.transport.operation import OperationResult, refused

log = logging.getLogger(__name__)

T = TypeVar("T")
Execute = Callable[[object, int], Awaitable[Entry]]
Begin = Callable[[SharedContext], Execute]

KEPT_ENTRIES = 256
KEPT_BYTES = 1024 * 1024
KEPT_SECONDS = 10.0
"""How old an entry may be that is given to a newcomer: a job in it is the job of that time."""

SNAPSHOT_SECONDS = 1.0
"""For how long newcomers get the same snapshot."""

RETRY_SECONDS = 1.0
"""How soon the database is asked again when it does not answer."""

DELIVERED_AT_ONCE = 200
"""After so many deliveries others get a turn."""


class Turn(Enum):
    """Why a subscriber is no longer attached to a feed."""

    LAGGING = auto()
    """It reads too slowly; it comes back when it has caught up."""
    RENEWED = auto()
    """What it may see has changed."""
    ENDED = auto()
    """The feed has ended."""


@dataclass(eq=False)
class Follower:
    """One subscriber: its place in the log, and where its entries go."""

    source: LiveSource
    sink: Sink
    place: int | None
    stale: bool = False
    turned: asyncio.Future[Turn] | None = None

    def turn(self, reason: Turn) -> None:
        """Detaches it."""
        if self.turned is not None and not self.turned.done():
            self.turned.set_result(reason)

    def renew(self) -> None:
        """Has it take its log anew."""
        self.stale = True
        self.turn(Turn.RENEWED)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A snapshot that newcomers share."""

    entries: list[Entry]
    mark: int
    is_over: bool
    born: float


class Feed:
    """The shared stream; it runs from its first subscriber to its last."""

    def __init__(self, source: Log, begin: Begin, request_id: str) -> None:
        self._log = source
        self._begin = begin
        self._request_id = request_id
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._floor = 0
        """Every entry after this place is kept."""
        self._place = 0
        """The last place that was gone through."""
        self._attached: dict[Follower, None] = {}
        self._woken = asyncio.Event()
        self._began = asyncio.Event()
        self._extending = asyncio.Lock()
        self._shown: _Shown | None = None
        self.followers = 0
        self.ended = False
        self.refusal: OperationResult | None = None
        """Why it ended, where that was not because nothing follows."""
        self._task = asyncio.create_task(self._run())

    def __len__(self) -> int:
        """How many subscribers are attached."""
        return len(self._attached)

    def stop(self) -> None:
        """Ends it; nobody follows it any more."""
        self._task.cancel()

    async def follow(self, follower: Follower) -> Turn:
        """Gives a subscriber all entries after its place, until the feed ends or it turns stale.

        Raises a `DomainError` that keeps its events from being read.
        """
        await self._began.wait()
        if follower.place is None and not await self._show(follower):
            return Turn.RENEWED if follower.stale else Turn.ENDED
        while not follower.stale:
            if self.refusal is not None:
                return Turn.ENDED
            self._forget_old()
            await self._cover(follower)
            entries = self._after(follower.place or 0)
            if entries:
                await self._send(follower, entries)
            elif self.ended or await self._attach(follower) is Turn.ENDED:
                return Turn.ENDED
        return Turn.RENEWED

    async def _show(self, follower: Follower) -> bool:
        """Sends a snapshot; tells whether the subscriber goes on from it."""
        if self.refusal is not None:
            return False
        shown = await self._snapshot()
        for entry in shown.entries:
            await follower.sink.put(entry)
            if follower.stale:
                return False
        follower.place = shown.mark
        return not shown.is_over

    async def _send(self, follower: Follower, entries: list[Entry]) -> None:
        for entry in entries:
            await follower.sink.put(entry)
            follower.place = entry.place
            if follower.stale:
                return

    async def _attach(self, follower: Follower) -> Turn:
        # Nothing may wait between the look at what is kept and this.
        follower.turned = asyncio.get_running_loop().create_future()
        self._attached[follower] = None
        try:
            return await follower.turned
        finally:
            self._attached.pop(follower, None)
            follower.turned = None

    async def _cover(self, follower: Follower) -> None:
        """Brings a subscriber to a place from which on everything is kept."""
        while (follower.place or 0) < self._floor and not follower.stale:
            async with self._extending:
                place, floor = follower.place or 0, self._floor
                if place >= floor:
                    return
                batch, entries = await self._patiently(lambda: self._between(place, floor))  # noqa: B023 (awaited before either changes)
                size = sum(len(entry.payload) for entry in entries)
                has_room = (
                    not batch.full
                    and batch.refusal is None
                    and len(self._entries) + len(entries) <= KEPT_ENTRIES
                    and self._bytes + size <= KEPT_BYTES
                )
                if has_room and self._floor == floor:
                    self._entries.extendleft(reversed(entries))
                    self._bytes += size
                    self._floor = place
                    return
            await self._send(follower, entries)
            if batch.refusal is not None:
                raise batch.refusal
            if not follower.stale:
                follower.place = batch.happenings[-1].place if batch.full else floor

    def _after(self, place: int) -> list[Entry]:
        if place >= self._place or not self._entries:
            return []
        return [entry for entry in self._entries if entry.place > place]

    async def _run(self) -> None:
        try:
            with self._log.listening(self._woken.set):
                mark, is_over = await self._patiently(self._mark)
                self._floor = self._place = mark
                self._began.set()
                while not is_over:
                    self._woken.clear()
                    batch, entries = await self._patiently(lambda: self._between(self._place, None))
                    for entry in entries:
                        await self._deliver(entry)
                    if batch.happenings:
                        self._place = batch.happenings[-1].place
                    if batch.refusal is not None:
                        raise batch.refusal  # noqa: TRY301 (ends it as what a read raises does)
                    is_over = batch.over
                    if not batch.full and not is_over:
                        await self._woken.wait()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is mapped, masked and logged)
            self.refusal = refused(error, self._request_id)
        finally:
            self.ended = True
            self._began.set()
            for follower in tuple(self._attached):
                follower.turn(Turn.ENDED)

    async def _deliver(self, entry: Entry) -> None:
        self._keep(entry)
        followers = tuple(self._attached)
        for start in range(0, len(followers), DELIVERED_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            for follower in islice(followers, start, start + DELIVERED_AT_ONCE):
                turned = follower.turned
                # It may have its place from another process, which was faster.
                if turned is None or turned.done() or (follower.place or 0) >= entry.place:
                    continue
                if follower.sink.offer(entry):
                    follower.place = entry.place
                else:
                    turned.set_result(Turn.LAGGING)

    def _keep(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._bytes += len(entry.payload)
        self._place = entry.place
        while len(self._entries) > KEPT_ENTRIES or self._bytes > KEPT_BYTES:
            self._forget()
        self._forget_old()

    def _forget_old(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        while self._entries and self._entries[0].born < oldest:
            self._forget()

    def _forget(self) -> None:
        entry = self._entries.popleft()
        self._bytes -= len(entry.payload)
        self._floor = entry.place

    async def _mark(self) -> tuple[int, bool]:
        context = self._log.context()
        try:
            return await self._log.mark(context)
        finally:
            await to_completion(context.close())

    async def _snapshot(self) -> _Shown:
        async with self._extending:
            shown = self._shown
            if (
                shown is None
                or shown.mark < self._floor
                or shown.born < time.monotonic() - SNAPSHOT_SECONDS
            ):
                shown = self._shown = await self._patiently(self._taken)
            return shown

    async def _taken(self) -> _Shown:
        context = self._log.context()
        try:
            batch, mark = await self._log.snapshot(context)
            batch, entries = await self._executed(context, batch)
        finally:
            await to_completion(context.close())
        if batch.refusal is not None:
            raise batch.refusal
        return _Shown(entries, mark, batch.over, time.monotonic())

    async def _between(self, place: int, until: int | None) -> tuple[Batch, list[Entry]]:
        context = self._log.context()
        try:
            return await self._executed(context, await self._log.after(context, place, until))
        finally:
            await to_completion(context.close())

    async def _executed(self, context: SharedContext, batch: Batch) -> tuple[Batch, list[Entry]]:
        """Executes a batch. Where an event fails as a whole, the batch ends before it."""
        execute = self._begin(context)
        entries: list[Entry] = []
        for number, happening in enumerate(batch.happenings):
            if happening.payload is None:
                continue
            entry = await execute(happening.payload, happening.place)
            context.next_event()
            failure = context.failure
            if isinstance(failure, Unavailable):
                raise failure
            if failure is not None:
                # To leave this event out and go on would lose it: who resumes gets it again.
                return Batch(batch.happenings[:number], refusal=_as_exception(failure)), entries
            entries.append(entry)
        return batch, entries

    async def _patiently(self, read: Callable[[], Awaitable[T]]) -> T:
        """Reads again and again while the database does not answer: whoever follows waits."""
        while True:
            try:
                return await read()
            except Unavailable as error:
                log.warning("a stream waits for the database: %s", error.message)
                await asyncio.sleep(RETRY_SECONDS)


def _as_exception(failure: BaseException) -> Exception:
    return failure if isinstance(failure, Exception) else RuntimeError(repr(failure))
