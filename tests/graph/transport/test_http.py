from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.graph.transport.serving import Served

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
HELLO = {"query": "{ hello }"}


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


@pytest.mark.parametrize("media", [JSON, RESPONSE_JSON])
async def test_answers_in_the_accepted_media_type(
    served: Served, http: httpx.AsyncClient, media: str
) -> None:
    response = await http.post(served.url, json=HELLO, headers={"accept": media})
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.json() == {"data": {"hello": "Hello world"}}
    assert (served.ledger.opened, served.ledger.closed) == (1, 1)


async def test_runs_the_named_operation_with_its_variables(
    served: Served, http: httpx.AsyncClient
) -> None:
    body = {
        "query": "query A { hello } query B($n: String!) { hello(name: $n) }",
        "operationName": "B",
        "variables": {"n": "Ünïcode"},
        "extensions": {"x": 1},
    }
    response = await http.post(served.url, json=body)
    assert response.json() == {"data": {"hello": "Hello Ünïcode"}}


async def test_answers_introspection(served: Served, http: httpx.AsyncClient) -> None:
    response = await http.post(served.url, json={"query": "{ __schema { queryType { name } } }"})
    assert response.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}


@pytest.mark.parametrize(
    ("query", "plain", "typed"),
    [
        ("{", 200, 400),
        ("{ unknown }", 200, 400),
        ("query ($n: Int!) { items(count: $n) { number } }", 200, 400),
        ("{ refused }", 200, 200),
    ],
)
async def test_statuses_of_refused_documents_follow_the_media_type(
    served: Served, http: httpx.AsyncClient, query: str, plain: int, typed: int
) -> None:
    for media, status in ((JSON, plain), (RESPONSE_JSON, typed)):
        response = await http.post(served.url, json={"query": query}, headers={"accept": media})
        assert response.status_code == status
        assert ("data" in response.json()) is (query == "{ refused }")
        assert code(response) == "INVALID_INPUT"


@pytest.mark.parametrize("media", [JSON, RESPONSE_JSON])
async def test_a_refused_caller_is_401(served: Served, http: httpx.AsyncClient, media: str) -> None:
    headers = {"accept": media, "authorization": "Bearer forged"}
    response = await http.post(served.url, json=HELLO, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert code(response) == "UNAUTHENTICATED"
    assert "data" not in response.json()


async def test_a_defect_is_500_and_masked(
    served: Served, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"authorization": "Bearer broken"}
    response = await http.post(served.url, json=HELLO, headers=headers)
    assert response.status_code == 500
    assert code(response) == "INTERNAL"
    assert "secret" not in response.text
    assert "secret" in caplog.text


async def test_gives_the_context_what_the_headers_say(
    served: Served, http: httpx.AsyncClient
) -> None:
    headers = {
        "authorization": "Bearer x",
        "x-department": "supply",
        "user-agent": "test",
        "last-event-id": "7",
    }
    response = await http.post(served.url, json={"query": "{ caller }"}, headers=headers)
    assert response.json()["data"]["caller"] == {"authorization": "Bearer x", "at": "supply"}
    (info,) = served.ledger.infos
    assert (info.address, info.user_agent, info.transport) == ("127.0.0.1", "test", "http")
    assert info.last_event_id == "7"


async def test_keeps_a_sane_request_id_and_makes_one_otherwise(
    served: Served, http: httpx.AsyncClient
) -> None:
    for sent, kept in (
        ("abc-1.2_3~x", True),
        ("with space", False),
        ("x" * 65, False),
        ("", False),
    ):
        response = await http.post(served.url, json={"query": "{"}, headers={"x-request-id": sent})
        id_ = response.headers["x-request-id"]
        assert (id_ == sent) is kept
        assert len(id_) == 36 or kept
        assert response.json()["errors"][0]["extensions"]["requestId"] == id_


@pytest.mark.parametrize(
    ("content", "headers", "status", "expected"),
    [
        (b"", {}, 400, "INVALID_INPUT"),
        (b"{", {}, 400, "INVALID_INPUT"),
        (b"[" + orjson.dumps(HELLO) + b"]", {}, 400, "INVALID_INPUT"),
        (b'{"query": 1}', {}, 400, "INVALID_INPUT"),
        (b'{"query": "{a}", "variables": {"x": "\\u0000"}}', {}, 400, "INVALID_INPUT"),
        (orjson.dumps(HELLO), {"content-type": "text/plain"}, 415, "INVALID_INPUT"),
        (
            b"query={hello}",
            {"content-type": "application/x-www-form-urlencoded"},
            415,
            "INVALID_INPUT",
        ),
        (orjson.dumps(HELLO), {"content-type": "multipart/form-data"}, 415, "INVALID_INPUT"),
        (
            orjson.dumps(HELLO),
            {"content-type": "application/json; charset=x"},
            415,
            "INVALID_INPUT",
        ),
        (orjson.dumps(HELLO), {"content-encoding": "gzip"}, 415, "INVALID_INPUT"),
        (orjson.dumps(HELLO), {"accept": "image/png"}, 406, "INVALID_INPUT"),
        (orjson.dumps({"query": "#" * 2_000_000}), {}, 413, "LIMIT_EXCEEDED"),
    ],
)
async def test_refuses_what_is_not_graphql_over_http(
    served: Served,
    http: httpx.AsyncClient,
    content: bytes,
    headers: Mapping[str, str],
    status: int,
    expected: str,
) -> None:
    sent = {"content-type": JSON, "x-request-id": "mine", **headers}
    response = await http.post(served.url, content=content, headers=sent)
    assert response.status_code == status
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert code(response) == expected
    assert response.json()["errors"][0]["extensions"]["requestId"] == "mine"
    assert served.ledger.opened == 0


async def test_refuses_a_post_without_a_content_type(
    served: Served, http: httpx.AsyncClient
) -> None:
    response = await http.post(served.url, content=orjson.dumps(HELLO))
    assert response.status_code == 415


async def test_refuses_a_long_body_whose_length_was_not_promised(
    served: Served, http: httpx.AsyncClient
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    response = await http.post(served.url, content=chunks(), headers={"content-type": JSON})
    assert response.status_code == 413
    # What was left of it does not become the next request.
    assert (await http.post(served.url, json=HELLO)).json() == {"data": {"hello": "Hello world"}}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_refuses_other_methods(served: Served, http: httpx.AsyncClient, method: str) -> None:
    response = await http.request(method, served.url)
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_a_get_runs_queries(served: Served, http: httpx.AsyncClient) -> None:
    parameters = {
        "query": "query A($n: String) { hello(name: $n) }",
        "variables": '{"n": "you"}',
        "operationName": "A",
    }
    response = await http.get(served.url, params=parameters)
    assert response.status_code == 200
    assert response.json() == {"data": {"hello": "Hello you"}}


async def test_a_get_does_not_run_mutations(served: Served, http: httpx.AsyncClient) -> None:
    for accept in (JSON, "text/event-stream"):
        parameters = {"query": 'mutation { write(text: "x") }'}
        response = await http.get(served.url, params=parameters, headers={"accept": accept})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
    assert served.ledger.opened == 0


async def test_a_browser_gets_the_page(served: Served, http: httpx.AsyncClient) -> None:
    headers = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    response = await http.get(served.url, headers=headers)
    assert (response.status_code, response.text) == (200, "the page")
    assert (await http.post(served.url, json=HELLO, headers=headers)).json()["data"]


async def test_a_subscription_needs_an_event_stream(
    served: Served, http: httpx.AsyncClient
) -> None:
    body = {"query": "subscription { events(until: 1) { cursor } }"}
    response = await http.post(served.url, json=body)
    assert response.status_code == 406
    assert "text/event-stream" in response.json()["errors"][0]["message"]
    both = {"accept": "application/json, text/event-stream"}
    response = await http.post(served.url, json=body, headers=both)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_a_client_that_leaves_cuts_its_query_short(
    served: Served, http: httpx.AsyncClient
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await http.post(served.url, json={"query": "{ slow(seconds: 30) }"}, timeout=0.3)
    await served.ledger.settled()
    assert served.ledger.done == []


async def test_a_slow_query_is_answered_while_its_client_waits(
    served: Served, http: httpx.AsyncClient
) -> None:
    response = await http.post(served.url, json={"query": "{ slow(seconds: 0.3) }"})
    assert response.json() == {"data": {"slow": "done"}}
    # The connection is still good for the next request.
    assert (await http.post(served.url, json=HELLO)).json() == {"data": {"hello": "Hello world"}}


async def test_a_client_that_leaves_does_not_cut_its_mutation(
    served: Served, http: httpx.AsyncClient
) -> None:
    body = {"query": 'mutation { write(text: "whole", seconds: 0.5) }'}
    with pytest.raises(httpx.ReadTimeout):
        await http.post(served.url, json=body, timeout=0.3)
    await served.ledger.settled()
    assert served.ledger.done == ["whole"]


async def test_a_client_that_leaves_in_its_body_runs_nothing(served: Served) -> None:
    _, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b'content-length: 1000\r\n\r\n{"query":'
    )
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.1)
    assert served.ledger.opened == 0
