"""The command's client against a server that says exactly what each test needs."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from ops import client as client_module
from ops.client import SUBPROTOCOL, Client, GraphRefused
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Script = list[dict[str, Any] | int]
"""What one connection gives: payloads of ``next``, messages with a type, at last a close code."""


@dataclass
class Tokens:
    """Tokens that can be renewed as often as ``left`` says."""

    left: int = 0
    number: int = 1

    async def token(self) -> str:
        return f"token {self.number}"

    async def renew(self) -> bool:
        self.left -= 1
        self.number += 1
        return self.left >= 0


@dataclass
class Server:
    """One script for each connection, and what clients said."""

    scripts: list[Script]
    url: str = ""
    initiated: list[dict[str, Any]] = field(default_factory=list)
    subscribed: list[dict[str, Any]] = field(default_factory=list)

    async def serve(self, socket: websockets.ServerConnection) -> None:
        self.initiated.append(json.loads(await socket.recv())["payload"])
        script = self.scripts.pop(0)
        if script == [4403]:
            await socket.close(4403, "The access token has expired.")
            return
        await socket.send(json.dumps({"type": "connection_ack"}))
        self.subscribed.append(json.loads(await socket.recv())["payload"]["variables"])
        for step in script:
            if isinstance(step, int):
                await socket.close(step, "As the test says.")
            elif "type" in step:
                await socket.send(json.dumps({"id": "1", **step}))
                if step["type"] == "ping":
                    assert json.loads(await socket.recv()) == {"type": "pong"}
            else:
                await socket.send(json.dumps({"id": "1", "type": "next", "payload": step}))


COMPLETE = {"type": "complete"}


def event(number: int) -> dict[str, Any]:
    return {"data": {"events": {"cursor": f"c{number}", "number": number}}}


def error(code: str) -> dict[str, Any]:
    refusal = {"message": "No.", "extensions": {"code": code, "requestId": "r"}}
    return {"type": "error", "payload": [refusal]}


@asynccontextmanager
async def server(*scripts: Script) -> AsyncIterator[Server]:
    made = Server(list(scripts))
    async with websockets.serve(
        made.serve, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]
    ) as listening:
        made.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield made


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LONGEST_PAUSE_SECONDS", 0.01)


async def numbers(served: Server, access: Tokens | None = None) -> list[int]:
    found = []
    async with (
        Client(served.url, access or Tokens()) as client,
        asyncio.timeout(20),
        aclosing(client.follow("subscription", {"topic": 7})) as events,
    ):
        async for each in events:
            found.append(each["number"])  # noqa: PERF401 (what came before an error counts)
    return found


@pytest.mark.parametrize("code", [1000, 1001, 1012, 1013, 4408, 4413, 4499, 4500])
async def test_goes_on_behind_the_last_cursor_when_it_is_cut_off(code: int) -> None:
    async with server([event(1), {"type": "ping"}, event(2), code], [event(3), COMPLETE]) as served:
        assert await numbers(served) == [1, 2, 3]
    assert served.subscribed == [{"topic": 7, "after": None}, {"topic": 7, "after": "c2"}]


async def test_renews_a_token_that_ran_out_in_the_middle() -> None:
    async with server([event(1), 4403], [4403], [event(2), COMPLETE]) as served:
        assert await numbers(served, Tokens(left=2)) == [1, 2]
    said = [init["authorization"] for init in served.initiated]
    assert said == ["Bearer token 1", "Bearer token 2", "Bearer token 3"]


async def test_ends_when_its_token_can_not_be_renewed() -> None:
    async with server([event(1), 4403]) as served:
        with pytest.raises(CommandFailed, match="As the test says"):
            await numbers(served)


@pytest.mark.parametrize("code", [4400, 4401, 4406, 4409, 4429])
async def test_does_not_come_back_after_a_fault_of_its_own(code: int) -> None:
    async with server([code]) as served:
        with pytest.raises(CommandFailed, match=str(code)):
            await numbers(served)
    assert len(served.subscribed) == 1


async def test_starts_over_where_its_cursor_has_expired() -> None:
    async with server([event(1), 1012], [error("CURSOR_EXPIRED")], [event(5), COMPLETE]) as served:
        assert await numbers(served) == [1, 5]
    assert [variables["after"] for variables in served.subscribed] == [None, "c1", None]


async def test_comes_back_when_something_was_unavailable() -> None:
    async with server([error("UNAVAILABLE")], [event(1), COMPLETE]) as served:
        assert await numbers(served) == [1]


@pytest.mark.parametrize("code", ["NOT_FOUND", "FORBIDDEN", "INTERNAL", "UNAUTHENTICATED"])
async def test_raises_the_refusal_of_a_stream(code: str) -> None:
    async with server([error(code)]) as served:
        with pytest.raises(GraphRefused) as caught:
            await numbers(served)
    assert caught.value.code == code
    assert "request r" in str(caught.value)


async def test_gives_up_on_a_server_that_gives_nothing() -> None:
    scripts: list[Script] = [[1012] for _ in range(30)]
    async with server(*scripts) as served:
        with pytest.raises(CommandFailed, match="without an event"):
            await numbers(served)


@pytest.mark.parametrize("address", ["", "127.0.0.1:8000", "ftp://example.com", "http://"])
def test_refuses_what_is_no_address(address: str) -> None:
    with pytest.raises(CommandFailed, match="no server's address"):
        Client(address, Tokens())


async def test_says_that_a_server_is_another_program() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}", Tokens()) as client:
            with pytest.raises(CommandFailed, match="not as AetherFlow"):
                await client.ask("{ __typename }")
