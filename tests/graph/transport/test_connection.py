from __future__ import annotations

import asyncio
from typing import Any

import orjson

from graph.transport.connection import Connection
from graph.transport.operation import Credentials
from graph.transport.options import TransportOptions
from tests.graph.transport.schema import Ledger
from tests.graph.transport.serving import Admitted, gateway_of


class Pipe:
    """The server's side of a socket, whose sending can be held up."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.flows = asyncio.Event()
        self.flows.set()

    async def send(self, event: Any) -> None:
        await self.flows.wait()
        text = event.get("text")
        await self.sent.put(orjson.loads(text) if text else event)

    def say(self, type_: str, id_: str = "", query: str = "{ hello }") -> None:
        message = {"type": type_, "id": id_, "payload": {"query": query}}
        self.incoming.put_nowait(
            {"type": "websocket.receive", "text": orjson.dumps(message).decode()}
        )

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            return await self.sent.get()


def connected(pipe: Pipe, ledger: Ledger) -> asyncio.Task[None]:
    async def check(_credentials: Credentials, _address: str | None, _ended: object) -> Admitted:
        return Admitted(ledger)

    connection = Connection(
        gateway_of(ledger),
        TransportOptions(outbox_messages=8),
        check,
        Credentials(),
        (None, None),
        pipe.incoming.get,
        pipe.send,
    )
    return asyncio.create_task(connection.run())


async def test_what_waits_of_a_completed_operation_is_not_sent() -> None:
    pipe, ledger = Pipe(), Ledger()
    serving = connected(pipe, ledger)
    pipe.say("connection_init")
    assert (await pipe.next())["type"] == "connection_ack"
    pipe.flows.clear()
    pipe.say("subscribe", "1", "subscription { events { cursor } }")
    # One is being sent, the outbox is full, and one more waits for room.
    while ledger.ended_events < 10:  # noqa: ASYNC110 (nothing signals what is counted)
        await asyncio.sleep(0.01)
    pipe.say("complete", "1")
    await ledger.settled()
    pipe.say("subscribe", "1")
    while ledger.opened < 2:  # noqa: ASYNC110 (as above)
        await asyncio.sleep(0.01)
    pipe.flows.set()
    assert (await pipe.next())["payload"]["data"] == {"events": {"cursor": "1"}}
    assert (await pipe.next())["payload"]["data"] == {"hello": "Hello world"}
    pipe.incoming.put_nowait({"type": "websocket.disconnect"})
    await serving


async def test_a_full_outbox_stops_its_operations_and_goes_on_when_it_empties() -> None:
    pipe, ledger = Pipe(), Ledger()
    serving = connected(pipe, ledger)
    pipe.say("connection_init")
    await pipe.next()
    pipe.flows.clear()
    pipe.say("subscribe", "1", "subscription { events(until: 50) { cursor } }")
    await asyncio.sleep(0.2)
    assert ledger.ended_events == 10
    pipe.flows.set()
    cursors = [(await pipe.next())["payload"]["data"]["events"]["cursor"] for _ in range(50)]
    assert cursors == [str(number) for number in range(1, 51)]
    assert (await pipe.next())["type"] == "complete"
    pipe.incoming.put_nowait({"type": "websocket.disconnect"})
    await serving
