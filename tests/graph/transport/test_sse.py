from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from graph.transport.options import TransportOptions
from tests.graph.transport.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.graph.transport.schema import Ledger

STREAM = {"accept": "text/event-stream"}
SILENT = "subscription { events(every: 30) { cursor } }"


class Events:
    """The lines of a stream, put together to events as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, str | None, Any] | None:
        """Gives name, id and data of the next event; None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(5):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif fields:
                    data = orjson.loads(fields["data"]) if fields["data"] else None
                    return fields["event"], fields.get("id"), data
        return None

    async def all(self) -> list[tuple[str, str | None, Any]]:
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@asynccontextmanager
async def streamed(
    http: httpx.AsyncClient, url: str, query: str, **headers: str
) -> AsyncIterator[Events]:
    given = {**STREAM, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with http.stream("POST", url, json={"query": query}, headers=given) as response:
        yield Events(response)


@pytest.mark.parametrize("path", ["", "/stream"])
async def test_streams_events_with_their_cursors_as_ids(
    served: Served, http: httpx.AsyncClient, path: str
) -> None:
    query = "subscription { events(until: 2) { cursor } }"
    async with streamed(http, served.url + path, query) as events:
        assert events.response.status_code == 200
        assert events.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert events.response.headers["cache-control"] == "no-store"
        assert await events.all() == [
            ("next", "1", {"data": {"events": {"cursor": "1"}}}),
            ("next", "2", {"data": {"events": {"cursor": "2"}}}),
            ("complete", None, None),
        ]
    assert served.ledger.infos[0].transport == "sse"


async def test_the_id_is_the_cursor_of_an_aliased_field(
    served: Served, http: httpx.AsyncClient
) -> None:
    query = "subscription { a: events(until: 1) { text cursor } }"
    async with streamed(http, served.url, query) as events:
        assert await events.next() == ("next", "1", {"data": {"a": {"text": "", "cursor": "1"}}})


async def test_resumes_after_the_last_event_id(served: Served, http: httpx.AsyncClient) -> None:
    query = "subscription { events(until: 7) { cursor } }"
    async with streamed(http, served.url, query, last_event_id="5") as events:
        assert [event[1] for event in await events.all()] == ["6", "7", None]


async def test_a_browser_may_stream_with_a_get(served: Served, http: httpx.AsyncClient) -> None:
    parameters = {"query": "subscription { events(until: 1) { cursor } }"}
    for url in (served.url, f"{served.url}/stream"):
        async with http.stream("GET", url, params=parameters, headers=STREAM) as response:
            assert [event[0] for event in await Events(response).all()] == ["next", "complete"]


@pytest.mark.parametrize("query", ["{ hello }", 'mutation { write(text: "x") }'])
async def test_a_query_or_mutation_is_one_event(
    served: Served, http: httpx.AsyncClient, query: str
) -> None:
    async with streamed(http, f"{served.url}/stream", query) as events:
        names = [event[0] for event in await events.all()]
    assert names == ["next", "complete"]


async def test_the_stream_address_answers_streams_alone(
    served: Served, http: httpx.AsyncClient
) -> None:
    url = f"{served.url}/stream"
    json = {"query": "{ hello }"}
    assert (await http.post(url, json=json, headers={"accept": "*/*"})).text.startswith(
        ":\n\nevent: next\n"
    )
    refusal = await http.post(url, json=json, headers={"accept": "application/json"})
    assert refusal.status_code == 406
    page = await http.get(url, headers={"accept": "text/html"})
    assert page.status_code == 406


@pytest.mark.parametrize(
    ("query", "code", "before"),
    [
        ("{", "INVALID_INPUT", 0),
        ("subscription { unknown }", "INVALID_INPUT", 0),
        ("subscription { refused { cursor } }", "UNAUTHENTICATED", 0),
        ('subscription { ending(how: "expected") { cursor } }', "CURSOR_EXPIRED", 1),
        ('subscription { ending(how: "unexpected") { cursor } }', "INTERNAL", 1),
    ],
)
async def test_errors_come_as_an_event_before_complete(
    served: Served, http: httpx.AsyncClient, query: str, code: str, before: int
) -> None:
    async with streamed(http, served.url, query, x_request_id="mine") as events:
        *given, last, complete = await events.all()
    assert len(given) == before
    assert last[0] == "next"
    assert set(last[2]) == {"errors"}
    assert last[2]["errors"][0]["extensions"]["code"] == code
    assert last[2]["errors"][0]["extensions"]["requestId"] == "mine"
    assert "secret" not in str(last)
    assert complete[0] == "complete"


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("forged", 401, "UNAUTHENTICATED"),
        ("forbidden", 403, "FORBIDDEN"),
        ("unavailable", 503, "UNAVAILABLE"),
        ("broken", 500, "INTERNAL"),
        ("defect", 500, "INTERNAL"),
    ],
)
async def test_a_refused_caller_gets_a_status_and_no_stream(
    served: Served, http: httpx.AsyncClient, token: str, status: int, code: str
) -> None:
    headers = {**STREAM, "authorization": f"Bearer {token}"}
    response = await http.post(served.url, json={"query": SILENT}, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("application/json")
    assert response.json()["errors"][0]["extensions"]["code"] == code
    assert served.ledger.open == 0


async def test_a_client_that_leaves_leaves_nothing_open(
    served: Served, http: httpx.AsyncClient
) -> None:
    async with streamed(http, served.url, SILENT) as events:
        assert await events.next() is not None
        assert (served.ledger.open, served.ledger.sources) == (1, 1)
    await served.ledger.settled()
    assert len(served.gateway.streams) == 0


async def test_a_silent_stream_gets_heartbeats(ledger: Ledger, http: httpx.AsyncClient) -> None:
    query = "subscription { events(every: 0.5, until: 2) { cursor } }"
    async with (
        serving(TransportOptions(heartbeat_seconds=0.1), ledger) as served,
        streamed(http, served.url, query) as events,
    ):
        assert len(await events.all()) == 3
        assert events.comments >= 3


async def test_an_expired_token_ends_the_stream(ledger: Ledger, http: httpx.AsyncClient) -> None:
    ledger.token_seconds = 0.3
    async with (
        serving(ledger=ledger) as served,
        streamed(http, served.url, SILENT, authorization="Bearer short") as events,
    ):
        first, refusal, complete = await events.all()
    assert (first[1], complete[0]) == ("1", "complete")
    assert refusal[2]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_shutdown_ends_streams_without_complete(
    served: Served, http: httpx.AsyncClient
) -> None:
    async with streamed(http, served.url, SILENT) as events:
        await events.next()
        await served.gateway.shutdown()
        # A client that saw no ``complete`` asks again, elsewhere.
        assert await events.all() == []
    assert served.ledger.open == 0
    response = await http.post(served.url, json={"query": SILENT}, headers=STREAM)
    assert response.status_code == 503


async def test_a_slow_reader_is_closed_and_holds_nothing_open(ledger: Ledger) -> None:
    options = TransportOptions(slow_reader_seconds=0.3, outbox_messages=4)
    async with serving(options, ledger) as served:
        _, writer = await asyncio.open_connection(served.host, served.port, limit=1000)
        body = orjson.dumps({"query": "subscription { events(size: 200000) { cursor text } }"})
        writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"accept: text/event-stream\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        await asyncio.sleep(0.2)
        assert ledger.open == 1
        await ledger.settled()
        assert ledger.ended_events < 100
        writer.transport.abort()
