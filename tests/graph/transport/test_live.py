"""Shared streams over real sockets and event streams."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from domain.errors import Unauthenticated
from graph.transport.frames import head_of
from graph.transport.options import TransportOptions
from tests.graph.transport.schema import Event, Ledger
from tests.graph.transport.serving import Served, serving
from tests.graph.transport.sockets import Client, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIVE = "subscription ($after: Int) { live(after: $after) { cursor text } }"


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def served(ledger: Ledger) -> AsyncIterator[Served]:
    async with serving(ledger=ledger) as running:
        yield running
    assert len(running.gateway.feeds) == 0


def written(ledger: Ledger, *texts: str) -> None:
    start = len(ledger.log.events) + 1
    ledger.log.write(*(Event(cursor=str(start + n), text=text) for n, text in enumerate(texts)))


async def followed(served: Served, listeners: int) -> None:
    async with asyncio.timeout(5):
        while sum(map(len, served.gateway.feeds._feeds.values())) != listeners:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def events(client: Client, id_: str, count: int) -> list[str]:
    found = []
    for _ in range(count):
        message = await client.of(id_)
        assert message["type"] == "next", message
        found.append(message["payload"]["data"]["live"]["text"])
    return found


async def test_all_sockets_get_what_was_executed_once(served: Served, ledger: Ledger) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(opened(served)) for _ in range(20)]
        for number, client in enumerate(clients):
            await client.subscribe(f"operation {number}", LIVE)
            await client.subscribe("second", LIVE)
        await followed(served, 40)
        texts = ["", "é", "x" * 30, "x" * 1000, "x" * 70_000, "last"]
        for text in texts:
            written(ledger, text)
            await asyncio.sleep(0.02)
        for number, client in enumerate(clients):
            both = [await client.receive() for _ in range(2 * len(texts))]
            for id_ in (f"operation {number}", "second"):
                mine = [each["payload"]["data"]["live"] for each in both if each["id"] == id_]
                assert [event["text"] for event in mine] == texts
        assert ledger.log.executed == len(texts)


async def test_a_completed_operation_gets_no_more_and_leaves_the_others(
    served: Served, ledger: Ledger
) -> None:
    async with opened(served) as client:
        await client.subscribe("1", LIVE)
        await client.subscribe("2", LIVE)
        await followed(served, 2)
        written(ledger, "one")
        assert {(await client.receive())["id"] for _ in range(2)} == {"1", "2"}
        await client.send("complete", "1")
        await followed(served, 1)
        written(ledger, "two")
        assert await events(client, "2", 1) == ["two"]
        await client.send("ping")
        assert await client.receive() == {"type": "pong"}
        await client.subscribe("1", LIVE, after=1)
        assert await events(client, "1", 1) == ["two"]


async def test_an_answer_that_waits_is_not_overtaken(served: Served, ledger: Ledger) -> None:
    async with opened(served) as client:
        await client.subscribe("live", LIVE)
        await followed(served, 1)
        for number in range(50):
            await client.subscribe(str(number), "{ hello }")
            written(ledger, str(number))
        assert await events(client, "live", 50) == [str(number) for number in range(50)]


async def test_one_that_does_not_read_is_closed_and_the_others_get_everything(
    ledger: Ledger,
) -> None:
    options = TransportOptions(slow_reader_seconds=1.0)
    count, size = 300, 20_000
    async with serving(options, ledger) as served, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(opened(served, max_queue=1)) for _ in range(10)]
        reader = await stack.enter_async_context(opened(served))
        for client in (*silent, reader):
            await client.subscribe("1", LIVE)
        await followed(served, 11)
        before = psutil.Process(os.getpid()).memory_info().rss
        for client in silent:
            client.connection.transport.pause_reading()
        for number in range(count):
            written(ledger, f"{number} {'x' * size}")
            assert (await events(reader, "1", 1))[0].startswith(f"{number} ")
        grown = psutil.Process(os.getpid()).memory_info().rss - before
        # Each of them was sent 6 MB. What may wait is the outbox, of 64 messages and 1 MB.
        assert grown < 10 * 3_000_000
        async with asyncio.timeout(5):
            while ledger.admitted > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for client in silent:
            client.connection.transport.resume_reading()
            with contextlib.suppress(AssertionError):
                assert await client.closed() in {4413, 1006}
        written(ledger, "after")
        assert await events(reader, "1", 1) == ["after"]


async def test_revoked_credentials_close_the_socket(served: Served, ledger: Ledger) -> None:
    async with opened(served) as client:
        await client.subscribe("1", LIVE)
        await followed(served, 1)
        assert ledger.revoke is not None
        ledger.revoke(Unauthenticated("The session has ended: sign in again."))
        assert await client.closed() == 4403
        assert client.connection.close_reason == "The session has ended: sign in again."
    assert ledger.admitted == 0


async def test_one_socket_too_many_is_told_so(served: Served, ledger: Ledger) -> None:
    async with opened(served, init=False) as client:
        await client.send("connection_init", payload={"authorization": "Bearer crowded"})
        assert await client.closed() == 4430
        assert client.connection.close_reason == "Close some first."
    assert ledger.admitted == 0


async def test_event_streams_share_with_sockets(served: Served, ledger: Ledger) -> None:
    accept = {"accept": "text/event-stream"}
    async with opened(served) as client, httpx.AsyncClient(trust_env=False) as http:
        body = {"query": LIVE, "variables": {}}
        await client.subscribe("1", LIVE)
        async with http.stream("POST", served.url, json=body, headers=accept) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == ":"
            await followed(served, 2)
            assert len(served.gateway.feeds) == 1
            written(ledger, "one")
            assert await events(client, "1", 1) == ["one"]
            said = [await anext(lines) for _ in range(5)]
            assert said[2:4] == [
                "id: 1",
                'data: {"data":{"live":{"cursor":"1","text":"one"}}}',
            ]
            assert ledger.log.executed == 1
            assert ledger.revoke is not None
            ledger.revoke(Unauthenticated("The session has ended: sign in again."))
            rest = [line async for line in lines]
        assert '"UNAUTHENTICATED"' in "".join(rest)
        assert rest[-3:] == ["event: complete", "data:", ""]


async def test_one_event_stream_too_many_is_a_status(served: Served, ledger: Ledger) -> None:
    headers = {"accept": "text/event-stream", "authorization": "Bearer crowded"}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(served.url, json={"query": LIVE}, headers=headers)
    assert answer.status_code == 429
    assert ledger.admitted == 0


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
    ],
)
def test_a_frame_says_how_long_it_is(size: int, head: str) -> None:
    assert head_of(size).hex() == head
