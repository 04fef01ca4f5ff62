"""A small schema, and a context that counts what happens to it."""

from __future__ import annotations

import asyncio
import uuid  # noqa: TC003 (Strawberry reads annotations at run time)
from collections.abc import AsyncGenerator  # noqa: TC003 (as uuid)
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import strawberry

from domain.errors import CursorExpired, InvalidInput, Unauthenticated
from tests.graph.transport.memory_log import MemoryLog, MemorySource

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.errors import DomainError
    from graph.transport.documents import Document
    from graph.transport.operation import Credentials, RequestInfo


@dataclass
class Ledger:
    """What happened to contexts and sources, counted."""

    infos: list[RequestInfo] = field(default_factory=list)
    credentials: list[Credentials] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    ended_events: int = 0
    sources: int = 0
    interrupted: int = 0
    done: list[str] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    token_seconds: float = 0
    admitted: int = 0
    log: MemoryLog = field(default_factory=MemoryLog)
    revoke: Callable[[DomainError], None] | None = None

    @property
    def open(self) -> int:
        return self.opened - self.closed

    async def settled(self) -> None:
        """Waits until no context and no source is open."""
        async with asyncio.timeout(5):
            while self.open or self.sources:  # noqa: ASYNC110 (nothing signals what is counted)
                await asyncio.sleep(0.01)


class Context:
    def __init__(self, ledger: Ledger, credentials: Credentials, info: RequestInfo) -> None:
        self.ledger = ledger
        self.credentials = credentials
        self.request_id = info.request_id
        self.info = info
        self.failure: BaseException | None = None
        self._closed = False
        ledger.opened += 1

    def begin(self, document: Document) -> None:
        pass

    async def end_event(self) -> None:
        await asyncio.sleep(0)
        self.ledger.ended_events += 1

    async def close(self) -> None:
        await asyncio.sleep(0.005)
        if not self._closed:
            self._closed = True
            self.ledger.closed += 1


Info = strawberry.Info[Context, None]
JSON = strawberry.scalars.JSON


@strawberry.type
class Item:
    number: int

    @strawberry.field
    async def broken(self) -> str | None:
        # The later ones fail first.
        await asyncio.sleep(0.01 / (self.number + 1))
        message = f"secret of {self.number}"
        raise RuntimeError(message)


@strawberry.type
class Event:
    cursor: str
    text: str = ""

    @strawberry.field
    def failing(self, info: Info, at: int) -> int:
        if int(self.cursor) == at:
            info.context.failure = RuntimeError("secret statement")
        return at


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello {name}"

    @strawberry.field
    def caller(self, info: Info) -> JSON:
        credentials = info.context.credentials
        return JSON({"authorization": credentials.authorization, "at": credentials.department})

    @strawberry.field
    def extensions(self, info: Info) -> JSON:
        return JSON(info.input_extensions)

    @strawberry.field
    async def slow(self, info: Info, seconds: float) -> str:
        info.context.ledger.started.set()
        await asyncio.sleep(seconds)
        info.context.ledger.done.append("slow")
        return "done"

    @strawberry.field
    def items(self, count: int) -> list[Item]:
        return [Item(number=number) for number in range(count)]

    @strawberry.field
    def broken(self) -> str:
        message = "secret"
        raise RuntimeError(message)

    @strawberry.field
    def refused(self) -> str | None:
        raise InvalidInput.at("input.name", "Too short.", "length")

    @strawberry.field
    def failing(self, info: Info) -> str:
        info.context.failure = RuntimeError("secret statement")
        return "not to be seen"

    @strawberry.field
    def unencodable(self) -> JSON:
        return JSON({"value": object()})

    @strawberry.field
    def echo(self, value: JSON, id: uuid.UUID | None = None) -> JSON:
        return JSON(str(id) if id else value)


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, info: Info, text: str, seconds: float = 0) -> str:
        info.context.ledger.started.set()
        await asyncio.sleep(seconds)
        info.context.ledger.done.append(text)
        return text


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(
        self,
        info: Info,
        after: int = 0,
        until: int = 1_000_000,
        every: float = 0.0,
        size: int = 0,
    ) -> AsyncGenerator[Event, None]:
        ledger = info.context.ledger
        ledger.sources += 1
        try:
            if last := info.context.info.last_event_id:
                after = int(last)
            for number in range(after + 1, until + 1):
                yield Event(cursor=str(number), text="x" * size)
                await asyncio.sleep(every)
        except asyncio.CancelledError:
            # Cleaning up takes a moment, in which a second cancellation would do harm.
            ledger.interrupted += 1
            await asyncio.sleep(0.005)
            ledger.interrupted -= 1
            raise
        finally:
            ledger.sources -= 1

    @strawberry.subscription
    async def live(self, info: Info, after: int = 0) -> AsyncGenerator[Event, None]:
        return MemorySource(info.context.ledger.log, after)  # type: ignore[return-value]

    @strawberry.subscription
    async def ending(self, how: str) -> AsyncGenerator[Event, None]:
        yield Event(cursor="1")
        match how:
            case "expected":
                raise CursorExpired("Start from a fresh snapshot.")
            case "unexpected":
                message = "secret"
                raise RuntimeError(message)

    @strawberry.subscription
    async def refused(self, token: str = "") -> AsyncGenerator[Event, None]:
        if not token:
            raise Unauthenticated("Sign in first.")
        yield Event(cursor="1")


schema = strawberry.Schema(Query, Mutation, Subscription)
