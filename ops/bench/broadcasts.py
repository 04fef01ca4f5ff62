"""What `bench stream` compares with: servers that send the same events in two other ways.

``raw-send`` is uvicorn sending text that is ready. ``stock-strawberry`` is a Strawberry schema in
its own ASGI application, executing each event for each subscriber. Both are given events as lines
on their standard input, as the product is given them by its database.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator  # noqa: TC003 (Strawberry reads annotations)
from typing import TYPE_CHECKING, Any

import strawberry
import uvicorn
import uvloop
from strawberry.asgi import GraphQL

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PROTOCOL = "graphql-transport-ws"


@strawberry.type
class JobEvent:
    """An event with the fields that the bench selects."""

    cursor: str
    kind: str
    status: str | None
    progress: int | None
    message: str | None


class Broadcast:
    """Gives each event to all who follow."""

    def __init__(self) -> None:
        self.followers: set[asyncio.Queue[JobEvent]] = set()

    def tell(self, event: JobEvent) -> None:
        """Gives one event."""
        for queue in self.followers:
            queue.put_nowait(event)

    async def follow(self) -> AsyncGenerator[JobEvent, None]:
        """Gives events as they are told, beginning with one that stands for a snapshot."""
        queue: asyncio.Queue[JobEvent] = asyncio.Queue()
        self.followers.add(queue)
        try:
            yield event_of("0")
            while True:
                yield await queue.get()
        finally:
            self.followers.discard(queue)


def event_of(message: str) -> JobEvent:
    """An event as long as one of the product's."""
    return JobEvent(cursor="x" * 70, kind="MESSAGE", status=None, progress=None, message=message)


def stock(broadcast: Broadcast) -> ASGIApp:
    """Strawberry as it comes."""

    @strawberry.type
    class Query:
        ok: bool = True

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def job_events(
            self,
            department: str,  # noqa: ARG002 (the same document is asked of both)
        ) -> AsyncGenerator[JobEvent, None]:
            async for event in broadcast.follow():
                yield event

    application: ASGIApp = GraphQL(
        strawberry.Schema(Query, subscription=Subscription), subscription_protocols=(PROTOCOL,)
    )
    return application


class RawSend:
    """Sends ready text to every socket, one after the other."""

    def __init__(self) -> None:
        self.sends: set[Any] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one socket."""
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        await receive()
        await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
        await receive()
        await send({"type": "websocket.send", "text": text_of(event_of("0"))})
        self.sends.add(send)
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self.sends.discard(send)

    async def tell(self, event: JobEvent) -> None:
        """Sends one event to all."""
        text = text_of(event)
        for send in tuple(self.sends):
            await send({"type": "websocket.send", "text": text})


def text_of(event: JobEvent) -> str:
    """The message of ``graphql-transport-ws`` that carries an event."""
    fields = {name: getattr(event, name) for name in JobEvent.__annotations__}
    payload = {"data": {"jobEvents": fields}}
    return json.dumps({"type": "next", "id": "1", "payload": payload}, separators=(",", ":"))


async def serve(kind: str, port: int) -> None:
    """Serves until the input ends."""
    broadcast, raw = Broadcast(), RawSend()
    app: ASGIApp = raw if kind == "raw-send" else stock(broadcast)
    config = uvicorn.Config(
        app,
        port=port,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        log_level="critical",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := await reader.readline():
        event = event_of(line.decode().strip())
        broadcast.tell(event)
        await raw.tell(event)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2])))
