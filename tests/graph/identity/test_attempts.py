"""Guessing passwords: how many guesses there are, and what they tell of who has an account."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import bcrypt
import httpx
import orjson
import pytest
from websockets.asyncio.client import connect

from domain.bell import Silence
from domain.errors import DomainError, RateLimited, Unauthenticated
from domain.identity import passwords
from domain.identity.actions import proof
from domain.identity.actions.sessions import login
from domain.identity.attempts import ACCOUNT_ATTEMPTS, ADDRESS_ATTEMPTS
from domain.scope import Origin
from graph.app import create_app
from tests.factories.rows import PASSWORD
from tests.graph.asking import Counter
from tests.graph.leaks.serving import OwnBell, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings
    from tests.domain.identity.conftest import Office

WRONG = "not the password"
ONE = (
    "mutation ($e: String!, $p: String!) { login(input: {email: $e, password: $p}) { expiresAt } }"
)
MANY = (
    "mutation ($e: String!, $p: String!) { "
    + " ".join(f"a{n}: login(input: {{email: $e, password: $p}}) {{ expiresAt }}" for n in range(4))
    + " }"
)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were looked at; they are compared at no cost, rightly all the same."""
    seen: list[str] = []

    async def verified(password: str, hashed: str | None) -> bool:
        seen.append(password)
        await asyncio.sleep(0)
        return hashed is not None and password == PASSWORD

    monkeypatch.setattr(passwords, "verify", verified)
    monkeypatch.setattr(proof, "verify", verified)
    return seen


@pytest.fixture
async def address(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, office: Office
) -> AsyncIterator[str]:
    """The API behind a proxy, so that a caller may seem to come from anywhere."""
    assert office.tokens is not None, "its making clears the counts"
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    async with served(settings, OwnBell()) as address:
        yield address


async def asked(address: str, query: str, accept: str, place: str, **given: str) -> list[str]:
    """The codes of an operation's errors, over HTTP or as an event stream."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.post(
            f"http://{address}/graphql",
            json={"query": query, "variables": {"e": given["email"], "p": given["password"]}},
            headers={"accept": accept, "x-forwarded-for": place},
        )
    if accept == "application/json":
        return codes(answer.json())
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return codes(orjson.loads(line.removeprefix("data: ")))


async def asked_over_a_socket(address: str, place: str, email: str, password: str) -> list[str]:
    """The codes of six operations that one socket runs beside each other."""
    url = f"ws://{address}/graphql"
    headers = {"x-forwarded-for": place}
    found: list[str] = []
    async with connect(
        url,
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        additional_headers=headers,
    ) as socket:
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        payload = {"query": ONE, "variables": {"e": email, "p": password}}
        for number in range(6):
            message = {"id": str(number), "type": "subscribe", "payload": payload}
            await socket.send(orjson.dumps(message).decode())
        while len(found) < 6:
            message = orjson.loads(await socket.recv())
            if message["type"] == "next":
                found += codes(message["payload"])
    return found


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in answer.get("errors") or ()]


async def test_ten_guesses_are_all_there_are_whatever_the_mix(
    office: Office, address: str, compared: list[str]
) -> None:
    for email in (office.manager.email, f"{uuid4().hex}@example.com"):
        compared.clear()
        given = {"email": email.upper(), "password": WRONG}
        rounds = await asyncio.gather(
            asked(address, MANY, "application/json", "192.0.2.1", **given),
            asked(address, MANY, "application/json", "192.0.2.2", **given),
            asked(address, MANY, "text/event-stream", "2001:db8::1", **given),
            asked(address, ONE, "application/json", "2001:db8:1::1", **given),
            asked_over_a_socket(address, "198.51.100.7", email, WRONG),
            asked_over_a_socket(address, "198.51.100.8", email, WRONG),
        )
        answers = [code for answered in rounds for code in answered]
        # A mutation whose field fails ends with it: its payload may not be null.
        assert set(answers) == {"UNAUTHENTICATED", "RATE_LIMITED"}
        assert len(compared) == ACCOUNT_ATTEMPTS
        assert answers.count("UNAUTHENTICATED") <= ACCOUNT_ATTEMPTS
        # The right password is looked at no more than a wrong one.
        right = await asked(
            address, ONE, "application/json", "203.0.113.9", email=email, password=PASSWORD
        )
        assert right == ["RATE_LIMITED"]
        assert len(compared) == ACCOUNT_ATTEMPTS


async def test_one_address_guesses_for_a_hundred_accounts_at_most(
    office: Office, address: str, compared: list[str]
) -> None:
    for number in range(ADDRESS_ATTEMPTS + 5):
        # Addresses of one subscriber count as one, and what a caller claims beyond the proxy not.
        place = f"203.0.113.{number}, 2001:db8:77:1::{number:x}"
        answer = await asked(
            address,
            ONE,
            "application/json",
            place,
            email=f"{uuid4().hex}@x.example",
            password=WRONG,
        )
        wanted = "UNAUTHENTICATED" if number < ADDRESS_ATTEMPTS else "RATE_LIMITED"
        assert answer == [wanted], number
    assert len(compared) == ADDRESS_ATTEMPTS
    elsewhere = await asked(
        address,
        ONE,
        "application/json",
        "2001:db8:77:2::1",
        email=office.manager.email,
        password=PASSWORD,
    )
    assert elsewhere == []


async def test_an_attempt_that_turns_out_right_is_given_back(
    office: Office, compared: list[str]
) -> None:
    for _ in range(ACCOUNT_ATTEMPTS + 2):
        await login(
            office.database, Silence(), office.tokens, office.manager.email, PASSWORD, Origin()
        )
    assert len(compared) == ACCOUNT_ATTEMPTS + 2


async def test_a_new_window_brings_new_attempts(office: Office, compared: list[str]) -> None:
    async def code() -> type[DomainError]:
        with pytest.raises(DomainError) as refused:
            await login(
                office.database, Silence(), office.tokens, office.manager.email, WRONG, Origin()
            )
        return type(refused.value)

    found = [await code() for _ in range(ACCOUNT_ATTEMPTS + 1)]
    assert found == [Unauthenticated] * ACCOUNT_ATTEMPTS + [RateLimited]
    await office.rows.connection.execute("update login_attempts set window_ends_at = now()")
    assert await code() is Unauthenticated
    assert len(compared) == ACCOUNT_ATTEMPTS + 1


async def test_attempts_are_kept_as_digests_that_tell_no_address(
    office: Office, compared: list[str]
) -> None:
    connection = office.rows.connection
    await connection.execute("delete from login_attempts")
    with pytest.raises(Unauthenticated):
        await login(
            office.database,
            Silence(),
            office.tokens,
            office.manager.email,
            WRONG,
            Origin(address="192.0.2.77"),
        )
    rows = await connection.fetch("select subject from login_attempts")
    assert len(rows) == 2
    assert all(len(row.subject) == 64 and int(row.subject, 16) for row in rows)
    assert compared == [WRONG]


async def test_fifty_known_and_fifty_unknown_addresses_take_the_same_work(
    office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.rows.connection.execute("delete from login_attempts")
    known = [(await office.rows.person(office.place)).email for _ in range(50)]
    # Equal in length, as what is read and sent would differ with it.
    unknown = [f"{uuid4().hex}@example.com" for _ in range(50)]
    cheap = await asyncio.to_thread(_cheap_hash)
    monkeypatch.setattr(passwords, "STAND_IN", cheap)
    await office.rows.connection.execute(
        "update users set password_hash = $1 where email = any ($2)", cheap.decode(), known
    )
    app = create_app(settings, Silence())
    counter = Counter(monkeypatch)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    works: set[tuple[str, ...]] = set()
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://graph") as client,
    ):

        async def attempt(email: str) -> float:
            counter.texts.clear()
            body = {"query": ONE, "variables": {"e": email, "p": WRONG}}
            began = time.perf_counter()
            answer = await client.post("/graphql", json=body, headers={"x-request-id": "same"})
            took = time.perf_counter() - began
            assert codes(answer.json()) == ["UNAUTHENTICATED"]
            works.add(tuple(counter.texts))
            return took

        for _ in range(5):
            await attempt(f"{uuid4().hex}@example.com")
        works.clear()
        await office.rows.connection.execute("delete from login_attempts")
        pairs = list(zip(times, (known, unknown), strict=True))
        for number in range(50):
            # Whoever comes first in one round comes last in the next.
            for kind, emails in pairs if number % 2 else reversed(pairs):
                times[kind].append(await attempt(emails[number]))
    # The account that a transaction acts for is told in an argument, so the texts are the same.
    assert len(works) == 1
    assert sum("take_attempts" in text for text in works.pop()) == 1
    medians = {kind: statistics.median(taken) for kind, taken in times.items()}
    # What only one of them had, such as a comparison of passwords, takes many times as long.
    assert max(medians.values()) < 2 * min(medians.values())


def _cheap_hash() -> bytes:

    return bcrypt.hashpw(b"another password", bcrypt.gensalt(4))
