from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from graph.transport.options import TransportOptions
from tests.graph.transport.serving import Served, serving
from tests.graph.transport.sockets import ENDLESS, SILENT, opened

if TYPE_CHECKING:
    from tests.graph.transport.schema import Ledger


async def test_runs_a_subscription_to_its_end(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", "subscription { events(until: 2) { cursor } }")
        assert [await client.receive() for _ in range(3)] == [
            {"type": "next", "id": "1", "payload": {"data": {"events": {"cursor": "1"}}}},
            {"type": "next", "id": "1", "payload": {"data": {"events": {"cursor": "2"}}}},
            {"type": "complete", "id": "1"},
        ]
        assert served.ledger.open == 0


async def test_runs_queries_and_mutations_in_fresh_contexts(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", "query ($n: String!) { hello(name: $n) }", n="you")
        assert (await client.receive())["payload"] == {"data": {"hello": "Hello you"}}
        assert await client.receive() == {"type": "complete", "id": "1"}
        await client.subscribe("1", 'mutation { write(text: "x") }')
        assert (await client.receive())["payload"] == {"data": {"write": "x"}}
        assert (served.ledger.opened, served.ledger.closed) == (2, 2)
        first, second = served.ledger.infos
        assert first.request_id != second.request_id
        assert first.transport == "websocket"


async def test_runs_operations_beside_each_other(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("slow", "{ slow(seconds: 0.2) }")
        await client.subscribe("events", ENDLESS)
        await client.subscribe("fast", "{ hello }")
        assert (await client.of("fast"))["type"] == "next"
        assert (await client.of("slow"))["type"] == "next"
        assert (await client.of("events"))["type"] == "next"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "INVALID_INPUT"),
        ("{ unknown }", "INVALID_INPUT"),
        ("query ($n: Int!) { items(count: $n) { number } }", "INVALID_INPUT"),
        ("subscription { refused { cursor } }", "UNAUTHENTICATED"),
        ('{ hello(name: "\\u0000") }', "INVALID_INPUT"),
    ],
)
async def test_a_bad_operation_answers_error_and_leaves_the_others_alone(
    served: Served, query: str, code: str
) -> None:
    async with opened(served) as client:
        await client.subscribe("good", ENDLESS)
        await client.subscribe("bad", query)
        error = await client.of("bad")
        assert error["type"] == "error"
        assert error["payload"][0]["extensions"]["code"] == code
        before = int((await client.of("good"))["payload"]["data"]["events"]["cursor"])
        after = int((await client.of("good"))["payload"]["data"]["events"]["cursor"])
        assert after == before + 1
        # Its id is free again.
        await client.subscribe("bad", "{ hello }")
        assert (await client.of("bad"))["type"] == "next"


async def test_an_error_of_a_source_ends_its_operation_alone(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(served) as client:
        for how, code in (("expected", "CURSOR_EXPIRED"), ("unexpected", "INTERNAL")):
            await client.subscribe(how, f'subscription {{ ending(how: "{how}") {{ cursor }} }}')
            assert (await client.receive())["type"] == "next"
            error = await client.receive()
            assert (error["type"], error["id"]) == ("error", how)
            assert error["payload"][0]["extensions"]["code"] == code
            assert "secret" not in str(error)
        assert "secret" in caplog.text
        await client.subscribe("next", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_nul_in_variables_is_refused(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", "query ($n: String!) { hello(name: $n) }", n="a\0b")
        error = await client.receive()
        assert error["type"] == "error"
        assert error["payload"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_complete_closes_the_source_and_the_context(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", SILENT)
        assert (await client.receive())["type"] == "next"
        assert served.ledger.open == 1
        await client.send("complete", "1")
        await served.ledger.settled()
        assert served.ledger.interrupted == 0
        await client.send("complete", "unknown")
        # The id can be used at once, and nothing of the completed operation comes any more.
        await client.subscribe("1", "{ hello }")
        assert (await client.receive())["payload"] == {"data": {"hello": "Hello world"}}
        assert (await client.receive())["type"] == "complete"


async def test_a_client_that_leaves_leaves_nothing_open(served: Served) -> None:
    async with opened(served) as client:
        for number in range(20):
            await client.subscribe(f"s{number}", SILENT)
            await client.subscribe(f"q{number}", "{ slow(seconds: 30) }")
        while served.ledger.sources < 20:  # noqa: ASYNC110 (nothing signals what is counted)
            await asyncio.sleep(0.01)
        for number in range(20):
            await client.send("complete", f"s{number}")
        client.connection.transport.abort()
        await served.ledger.settled()
    assert served.ledger.opened == 40
    assert served.ledger.interrupted == 0
    assert served.ledger.done == []
    assert len(served.gateway.streams) == 0


async def test_a_client_that_leaves_does_not_cut_its_mutation(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", 'mutation { write(text: "left", seconds: 0.2) }')
        await served.ledger.started.wait()
    async with opened(served) as client:
        served.ledger.started.clear()
        await client.subscribe("1", 'mutation { write(text: "completed", seconds: 0.1) }')
        await served.ledger.started.wait()
        await client.send("complete", "1")
        await served.ledger.settled()
    assert sorted(served.ledger.done) == ["completed", "left"]


async def test_operations_of_a_socket_are_limited(ledger: Ledger) -> None:
    async with (
        serving(TransportOptions(operations_per_socket=3), ledger) as served,
        opened(served) as client,
    ):
        for number in range(3):
            await client.subscribe(f"{number}", SILENT)
            assert (await client.receive())["type"] == "next"
        await client.subscribe("more", "{ hello }")
        error = await client.receive()
        assert (error["type"], error["id"]) == ("error", "more")
        assert error["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await client.send("complete", "0")
        await client.subscribe("more", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_completed_operations_do_not_pile_up(ledger: Ledger) -> None:
    async with (
        serving(TransportOptions(operations_per_socket=3), ledger) as served,
        opened(served) as client,
    ):
        query = 'mutation { write(text: "x", seconds: 0.3) }'
        for number in range(6):
            # A mutation that was completed goes on to its end.
            ledger.started.clear()
            await client.subscribe(f"{number}", query)
            await ledger.started.wait()
            await client.send("complete", f"{number}")
        await client.subscribe("more", query)
        assert (await client.receive())["type"] == "error"
        assert ledger.opened == 6


async def test_pings_and_closes_a_client_that_stays_silent(ledger: Ledger) -> None:
    async with (
        serving(TransportOptions(ping_seconds=0.1), ledger) as served,
        opened(served) as client,
    ):
        for _ in range(5):
            assert await client.receive() == {"type": "ping"}
            await client.send("pong")
        assert await client.receive() == {"type": "ping"}
        assert await client.receive() == {"type": "ping"}
        assert await client.closed() == 4499


@pytest.mark.parametrize("reads_again", [True, False])
async def test_a_slow_reader_is_closed_and_holds_nothing_open(
    ledger: Ledger, *, reads_again: bool
) -> None:
    options = TransportOptions(slow_reader_seconds=0.5, outbox_messages=4)
    async with (
        serving(options, ledger) as served,
        opened(served, max_queue=1, compression=None) as client,
    ):
        await client.subscribe("1", "subscription { events(size: 200000) { cursor text } }")
        await asyncio.sleep(0.2)
        assert ledger.open == 1
        await ledger.settled()
        # The source stopped with the reader: it did not go on to fill the memory.
        assert ledger.ended_events < 100
        if reads_again:
            assert await client.closed() == 4413
        else:
            client.connection.transport.abort()


async def test_a_shutdown_closes_sockets_for_their_clients_to_come_back(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", SILENT)
        assert (await client.receive())["type"] == "next"
        await served.gateway.shutdown()
        assert await client.closed() == 1012
        assert (served.ledger.open, len(served.gateway.streams)) == (0, 0)
    async with opened(served, init=False) as late:
        assert await late.closed() == 1012
