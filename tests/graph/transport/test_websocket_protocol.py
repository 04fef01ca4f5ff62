from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus

from graph.transport.options import TransportOptions
from tests.graph.transport.serving import Served, serving
from tests.graph.transport.sockets import SILENT, opened

if TYPE_CHECKING:
    from tests.graph.transport.schema import Ledger


async def test_takes_credentials_from_the_payload_whatever_their_case(served: Served) -> None:
    payload = {"Authorization": "Bearer x", "X-DEPARTMENT": "supply"}
    async with opened(served, payload) as client:
        await client.subscribe("1", "{ caller }")
        caller = (await client.receive())["payload"]["data"]["caller"]
        assert caller == {"authorization": "Bearer x", "at": "supply"}


async def test_takes_credentials_from_the_headers_where_the_payload_has_none(
    served: Served,
) -> None:
    headers = {"authorization": "Bearer h", "x-department": "sales"}
    async with opened(served, {"x-department": "supply"}, additional_headers=headers) as client:
        await client.subscribe("1", "{ caller }")
        caller = (await client.receive())["payload"]["data"]["caller"]
        assert caller == {"authorization": "Bearer h", "at": "supply"}


async def test_answers_pings_before_and_after_the_init(served: Served) -> None:
    async with opened(served, init=False) as client:
        await client.send("ping", payload={"x": 1})
        assert await client.receive() == {"type": "pong"}
        await client.send("pong")
        await client.send("connection_init")
        assert await client.receive() == {"type": "connection_ack"}
        await client.send("ping")
        assert await client.receive() == {"type": "pong"}


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("Bearer forged", 4403),
        ("Bearer forbidden", 4403),
        ("Bearer unavailable", 1013),
        ("Bearer defect", 4500),
        ({"not": "a string"}, 4400),
    ],
)
async def test_refused_credentials_close_the_socket(
    served: Served, caplog: pytest.LogCaptureFixture, authorization: object, code: int
) -> None:
    async with opened(served, init=False) as client:
        await client.send("connection_init", payload={"authorization": authorization})
        assert await client.closed() == code
    assert ("secret" in caplog.text) is (code == 4500)


async def test_an_expired_token_closes_the_socket(ledger: Ledger) -> None:
    ledger.token_seconds = 0.3
    before = datetime.now(UTC)
    async with (
        serving(ledger=ledger) as served,
        opened(served, {"authorization": "Bearer short"}) as client,
    ):
        await client.subscribe("1", SILENT)
        assert (await client.receive())["type"] == "next"
        assert await client.closed() == 4403
        assert datetime.now(UTC) - before >= timedelta(seconds=0.3)
        await ledger.settled()


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        "1",
        "{}",
        '{"type": 1}',
        '{"type": "start"}',
        '{"type": "next", "id": "1"}',
        '{"type": "ping", "payload": 1}',
        '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
        '{"type": "subscribe", "id": "%s", "payload": {"query": "{ hello }"}}' % ("x" * 1000),
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": []}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}}',
        '{"type": "complete"}',
        b'{"type": "ping"}',
    ],
)
async def test_a_message_out_of_the_protocol_closes_the_socket(
    served: Served, text: str | bytes
) -> None:
    async with opened(served) as client:
        await client.connection.send(text)
        assert await client.closed() == 4400


async def test_an_operation_before_the_init_closes_the_socket(served: Served) -> None:
    async with opened(served, init=False) as client:
        await client.subscribe("1", "{ hello }")
        assert await client.closed() == 4401
    assert served.ledger.opened == 0


async def test_a_second_init_closes_the_socket(served: Served) -> None:
    async with opened(served) as client:
        await client.send("connection_init")
        assert await client.closed() == 4429


async def test_a_used_id_closes_the_socket(served: Served) -> None:
    async with opened(served) as client:
        await client.subscribe("1", SILENT)
        await client.subscribe("1", "{ hello }")
        assert await client.closed() == 4409
    await served.ledger.settled()


async def test_a_missing_init_closes_the_socket(ledger: Ledger) -> None:
    async with (
        serving(TransportOptions(init_seconds=0.1), ledger) as served,
        opened(served, init=False) as client,
    ):
        assert await client.closed() == 4408


async def test_a_long_message_closes_the_socket(ledger: Ledger) -> None:
    async with (
        serving(TransportOptions(message_bytes=1000), ledger) as served,
        opened(served) as client,
    ):
        await client.subscribe("1", "{ hello }", filling="x" * 800)
        assert (await client.receive())["type"] == "next"
        await client.subscribe("2", "{ hello }", filling="é" * 500)
        assert await client.closed() == 1009


@pytest.mark.parametrize("protocols", [None, ["graphql-ws"], ["soap"]])
async def test_another_subprotocol_closes_the_socket(
    served: Served, protocols: list[str] | None
) -> None:
    async with opened(served, init=False, subprotocols=protocols) as client:
        assert await client.closed() == 4406


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:{port}", True),
        ("https://shop.example", True),
        ("https://evil.example", False),
        ("http://127.0.0.1", False),
        ("null", False),
    ],
)
async def test_only_pages_of_this_site_and_of_allowed_ones_may_connect(
    ledger: Ledger, origin: str, *, allowed: bool
) -> None:
    options = TransportOptions(allowed_origins=("https://shop.example",))
    async with serving(options, ledger) as served:
        at = origin.format(port=served.port)
        if allowed:
            async with opened(served, origin=at):
                return
        with pytest.raises(InvalidStatus) as refusal:
            async with opened(served, origin=at):
                pass
        assert refusal.value.response.status_code == 403
