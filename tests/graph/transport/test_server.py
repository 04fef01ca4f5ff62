from __future__ import annotations

import asyncio
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.graph.transport.sockets import SILENT, Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """Runs a server as a process, and gives its host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.graph.transport.process", str(port), cwd=ROOT
    )
    try:
        async with asyncio.timeout(20), httpx.AsyncClient() as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield f"127.0.0.1:{port}/graphql", process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_signal_ends_what_lasts_and_lets_requests_be_answered(
    address: tuple[str, asyncio.subprocess.Process], http: httpx.AsyncClient
) -> None:
    host, process = address
    headers = {"accept": "text/event-stream"}
    async with (
        connect(f"ws://{host}", subprotocols=["graphql-transport-ws"]) as connection,  # type: ignore[list-item]  # websockets' own name for a string
        http.stream("POST", f"http://{host}", json={"query": SILENT}, headers=headers) as stream,
    ):
        client = Client(connection)
        await client.send("connection_init")
        await client.subscribe("1", SILENT)
        while (await client.receive())["type"] != "next":
            pass
        lines = stream.aiter_lines()
        assert [await anext(lines) for _ in range(3)] == [":", "", "event: next"]
        slow = asyncio.create_task(
            http.post(f"http://{host}", json={"query": "{ slow(seconds: 0.5) }"})
        )
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert await client.closed() == 1012
        assert "event: complete" not in [line async for line in lines]
        assert (await slow).json() == {"data": {"slow": "done"}}
    async with asyncio.timeout(5):
        assert await process.wait() == -signal.SIGTERM


async def test_a_long_message_is_not_even_read(
    address: tuple[str, asyncio.subprocess.Process],
) -> None:
    host, _ = address
    async with connect(f"ws://{host}", subprotocols=["graphql-transport-ws"]) as connection:  # type: ignore[list-item]  # as above
        assert connection.protocol.extensions == []
        await connection.send(orjson.dumps({"type": "ping", "payload": {"x": "y" * 2000}}).decode())
        with pytest.raises(ConnectionClosed) as closing:
            await connection.recv()
        assert closing.value.rcvd is not None
        assert closing.value.rcvd.code == 1009
