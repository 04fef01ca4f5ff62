"""What a subscription's resolver gives when its events are the same for all who may see them.

There are two sides: a `Log` is what all subscribers of one scope share, and a `LiveSource` is one
subscriber's own place in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from graph.transport.documents import Document


@dataclass(frozen=True, slots=True)
class Happening:
    """An event: its place in the log, and what the subscription's field is executed on.

    ``payload`` is None for an event that this subscription passes over.
    """

    place: int
    payload: object | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in the log's order. ``full`` says that more may follow at once.

    ``over`` says that the log ends with them, ``refusal`` that it may not be followed any further.
    """

    happenings: list[Happening]
    full: bool = False
    over: bool = False
    refusal: Exception | None = None


class SharedContext(Protocol):
    """The context that events are executed in: of everybody who shares the log, so of nobody."""

    request_id: str
    failure: BaseException | None

    def begin(self, document: Document, /) -> None:
        """Notes what is about to be executed."""

    def next_event(self) -> None:
        """Ends an event: notes a failed statement, and counts anew what one event may read."""

    async def close(self) -> None:
        """Ends it."""


class Log(ABC):
    """A log of events as everybody with one scope sees it; ``key`` is all that it depends on."""

    key: Hashable

    @abstractmethod
    def context(self) -> SharedContext:
        """Makes a context for one batch: one snapshot and its loaders."""

    @abstractmethod
    def listening(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Calls ``wake`` when there may be new events, as long as the context is open."""

    @abstractmethod
    async def mark(self, context: Any, /) -> tuple[int, bool]:
        """The place of the last event, and whether none will follow.

        Raises a `DomainError` when the log may not be followed.
        """

    @abstractmethod
    async def snapshot(self, context: Any, /) -> tuple[Batch, int]:
        """How things stand, and the place of the last event before that."""

    @abstractmethod
    async def after(self, context: Any, /, place: int, until: int | None) -> Batch:
        """The next events after one place, up to another or to the end."""


class LiveSource(ABC):
    """One subscriber's way through a log."""

    log: Log
    place: int | None
    """After which event it goes on; None to begin with a snapshot."""

    @abstractmethod
    def watch(self, changed: Callable[[], None], /) -> None:
        """Calls ``changed`` when what the subscriber may see is not what it was."""

    @abstractmethod
    async def renew(self) -> None:
        """Takes the log that the subscriber may see now; raises a `DomainError` for none."""

    @abstractmethod
    def close(self) -> None:
        """Ends the subscription."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """Is there because an executor takes nothing else for a source of events."""
        message = "a live source is followed, not iterated"
        raise TypeError(message)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event executed and encoded, as it goes to every subscriber."""

    place: int
    payload: bytes
    """The response as JSON."""
    cursor: bytes | None
    """What an event stream names it by."""
    born: float


class Sink(Protocol):
    """Where a subscriber's entries go."""

    def offer(self, entry: Entry) -> bool:
        """Sends an entry if that can be done at once; tells whether it was."""

    async def put(self, entry: Entry) -> None:
        """Sends an entry as soon as there is room for it."""
