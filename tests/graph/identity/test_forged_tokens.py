"""No forged token opens anything, over HTTP, over a socket, or as an event stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.graph.identity.forged import forgeries
from tests.graph.leaks.serving import OwnBell, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings
    from tests.domain.identity.conftest import Office

QUERY = "{ viewer { permissions user { email } } }"
CHANGE = 'mutation { updateProfile(input: {fullName: "Forged"}) { viewer { permissions } } }'
STREAM = "subscription ($department: String) { jobEvents(department: $department) { cursor } }"

WAYS = (
    ("application/json", QUERY),
    ("application/json", CHANGE),
    ("text/event-stream", QUERY),
    ("text/event-stream", STREAM),
)


@pytest.fixture
async def address(settings: Settings) -> AsyncIterator[str]:
    async with served(settings, OwnBell()) as address:
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        trust_env=False, timeout=10, base_url=f"http://{address}"
    ) as client:
        yield client


async def over_http(client: httpx.AsyncClient, token: str, accept: str, query: str) -> str:
    """The code of the refusal, or "" where there was none."""
    answer = await client.post(
        "/graphql",
        json={"query": query, "variables": {"department": "company"}},
        headers={"accept": accept, "authorization": f"Bearer {token}".strip()},
    )
    if answer.headers["content-type"].startswith("text/event-stream"):
        first = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
        return _code(orjson.loads(first.removeprefix("data: ")))
    return _code(answer.json())


async def over_websocket(address: str, token: str) -> int:
    """The code that the socket is closed with, or 0 where it is let in."""
    url = f"ws://{address}/graphql"
    async with connect(url, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await socket.send(orjson.dumps(init).decode())
        try:
            message = orjson.loads(await socket.recv())
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else -1
    assert message["type"] == "connection_ack"
    return 0


def _code(answer: dict[str, Any]) -> str:
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors else ""


async def test_the_token_that_they_are_forged_from_opens_every_way_in(
    office: Office, address: str, client: httpx.AsyncClient
) -> None:
    token, _ = office.tokens.access(office.manager.id, office.manager.session_id)
    assert await over_http(client, token, "application/json", QUERY) == ""
    assert await over_http(client, token, "text/event-stream", QUERY) == ""
    assert await over_websocket(address, token) == 0


async def test_no_forged_token_is_accepted(
    office: Office, address: str, client: httpx.AsyncClient, settings: Settings
) -> None:
    corpus = forgeries(settings, office.manager.id, office.manager.session_id)
    assert len(corpus) > 75
    accepted = []
    async with office.unchanged():
        for name, token in corpus.items():
            for accept, query in WAYS:
                if await over_http(client, token, accept, query) != "UNAUTHENTICATED":
                    accepted.append((name, query))
            # An empty token is as good as none: a socket may open to sign in over it.
            if await over_websocket(address, token) != 4403:
                accepted.append((name, "websocket"))
    assert accepted == []


async def test_a_session_of_somebody_else_opens_nothing(
    office: Office, address: str, client: httpx.AsyncClient
) -> None:
    other = await office.rows.person(office.elsewhere)
    crossed, _ = office.tokens.access(office.manager.id, other.session_id)
    assert await over_http(client, crossed, "application/json", QUERY) == "UNAUTHENTICATED"
    assert await over_websocket(address, crossed) == 4403
