"""A client of sockets that says exactly what it is told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.graph.transport.serving import Served

ENDLESS = "subscription { events(every: 0.005) { cursor } }"
SILENT = "subscription { events(every: 30) { cursor } }"


class Client:
    """A client that says exactly what it is told to."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, type_: str, id_: str | None = None, payload: object = None) -> None:
        message = {"type": type_, "id": id_, "payload": payload}
        given = {name: value for name, value in message.items() if value is not None}
        await self.connection.send(orjson.dumps(given).decode())

    async def subscribe(self, id_: str, query: str, **variables: object) -> None:
        await self.send("subscribe", id_, {"query": query, "variables": variables})

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message = orjson.loads(await self.connection.recv())
        assert isinstance(message, dict)
        return message

    async def of(self, id_: str) -> dict[str, Any]:
        """Gives the next message of one operation."""
        while (message := await self.receive()).get("id") != id_:
            pass
        return message

    async def closed(self) -> int:
        """Gives the code that the server closes with."""
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closing:
            return closing.rcvd.code if closing.rcvd else 0


@asynccontextmanager
async def opened(
    served: Served, payload: object = None, *, init: bool = True, **options: Any
) -> AsyncIterator[Client]:
    protocols = options.pop("subprotocols", ["graphql-transport-ws"])
    async with connect(served.socket, subprotocols=protocols, **options) as connection:
        client = Client(connection)
        if init:
            await client.send("connection_init", payload=payload)
            assert await client.receive() == {"type": "connection_ack"}
        yield client
