"""Tokens that were tampered with, have expired or are another's, on every way in."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from domain.identity import tokens
from domain.identity.tokens import Tokens
from graph.scalars import encoded_id
from tests.factories.unchanged import nothing_changes
from tests.graph.bad_input import files
from tests.graph.bad_input.conftest import client_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.settings import Settings
    from tests.factories.rows import Person, Rows
    from tests.graph.uploads import Client
    from tests.product import Product

FORBIDDEN = 4403
VIEWER = "{ viewer { user { id } } }"
CREATE = """
mutation { createWorkspace(input: {name: "Mine"}) { workspace { id } } }
"""
WATCH = "subscription ($id: ID!) { jobEvents(datasetId: $id) { kind } }"


class Forger:
    """Whoever has a token, and as much of what makes one as each case says."""

    def __init__(self, settings: Settings, person: Person) -> None:
        self.tokens = Tokens(settings)
        self.secret = settings.secret_key.get_secret_value()
        self.person = person
        self.good, _ = self.tokens.access(person.id, person.session_id)

    def signed(self, *, key: bytes | None = b"", algorithm: str = "HS256", **changes: Any) -> str:
        now = datetime.now(UTC)
        claims = {
            "iss": tokens.ISSUER,
            "aud": tokens.ACCESS_AUDIENCE,
            "sub": str(self.person.id),
            "sid": str(self.person.session_id),
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "jti": str(uuid4()),
        } | changes
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self.tokens._access_key if key == b"" else key or "", algorithm)

    def with_part(self, number: int, change: Callable[[dict[str, Any]], Any]) -> str:
        """The good token with another header (0) or other claims (1), its signature as it was."""
        parts = self.good.split(".")
        value = json.loads(base64.urlsafe_b64decode(parts[number] + "=="))
        changed = json.dumps(value | change(value)).encode()
        parts[number] = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        return ".".join(parts)

    def turned(self) -> str:
        """The good token with one bit of its signature turned."""
        head, _, signature = self.good.rpartition(".")
        raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
        raw[0] ^= 1
        return f"{head}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def past(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


FORGERIES: dict[str, Callable[[Forger], str]] = {
    "nothing": lambda _: "",
    "no token": lambda _: "token",
    "dots": lambda _: "..",
    "too long": lambda _: "a" * 5000,
    "a turned bit": lambda f: f.turned(),
    "no signature": lambda f: f.good.rpartition(".")[0] + ".",
    "another user": lambda f: f.with_part(1, lambda _: {"sub": str(uuid4())}),
    "a later end": lambda f: f.with_part(1, lambda claims: {"exp": claims["exp"] + 3600}),
    "no algorithm": lambda f: f.with_part(0, lambda _: {"alg": "none"}),
    "algorithm none": lambda f: f.signed(key=None, algorithm="none"),
    "another algorithm": lambda f: f.signed(algorithm="HS512"),
    "the secret itself": lambda f: f.signed(key=f.secret.encode()),
    "another secret": lambda f: f.signed(key=b"another secret that is long enough"),
    "another issuer": lambda f: f.signed(iss="another"),
    "another audience": lambda f: f.signed(aud=tokens.REFRESH_AUDIENCE),
    "a refresh token": lambda f: f.tokens.refresh(
        f.person.id, f.person.session_id, 1, datetime.now(UTC) + timedelta(days=1)
    ),
    "no end": lambda f: f.signed(exp=None),
    "no session": lambda f: f.signed(sid=None),
    "an unknown session": lambda f: f.signed(sid=str(uuid4())),
    "no one's session": lambda f: f.signed(sid=str(UUID(int=0))),
    "another's session": lambda f: f.signed(sub=str(uuid4())),
    "expired": lambda f: f.signed(iat=past(60), exp=past(1)),
    "long expired": lambda f: f.signed(iat=past(10**9), exp=past(10**9)),
    "not a number": lambda f: f.signed(exp="tomorrow"),
    "not an id": lambda f: f.signed(sub="admin"),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("name", FORGERIES)
async def test_a_token_that_does_not_hold_is_refused_on_every_way_in(
    served: Product, person: Person, owner: Any, name: str
) -> None:
    token = FORGERIES[name](Forger(served.settings, person))
    async with nothing_changes(owner):
        for status, answer in await asyncio.gather(
            over_http(served, VIEWER, token),
            over_http(served, CREATE, token),
            over_sse(served, token),
        ):
            (error,) = answer["errors"]
            assert error["extensions"]["code"] == "UNAUTHENTICATED"
            assert any(advice in error["message"] for advice in ("sign in", "ask whoever"))
            assert str(person.id) not in str(answer)
            assert answer.get("data") is None
            assert status in {200, 401}
        assert await closed_socket(served, token) == FORBIDDEN


@pytest.mark.parametrize(
    "authorization", ["Basic c2FsZXM6cGFzc3dvcmQ=", "Bearer", "token", "Bearer a b"]
)
async def test_what_is_no_bearer_of_a_token_is_refused(served: Product, authorization: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{served.url}/graphql",
            json={"query": VIEWER},
            headers={"authorization": authorization},
        )
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_good_token_is_let_in_on_every_way_in(served: Product, person: Person) -> None:
    """The forgeries are refused for what is wrong with them, not for how they are brought."""
    forger = Forger(served.settings, person)
    for token in (forger.good, forger.signed()):
        status, answer = await over_http(served, VIEWER, token)
        assert status == 200
        assert answer["data"]["viewer"]["user"]["id"] == encoded_id("User", person.id)
        assert await closed_socket(served, token) is None


async def test_a_session_that_has_ended_is_refused(
    served: Product, client: Client, person: Person, owner: Any
) -> None:
    await client.data("mutation { logout { __typename } }")
    for query in (VIEWER, CREATE):
        error = await client.refusal(query)
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert await closed_socket(served, client.token) == FORBIDDEN
    other = Forger(served.settings, person)
    await owner.execute("update users set is_active = false where id = $1", person.id)
    assert await closed_socket(served, other.good) == FORBIDDEN


async def test_signing_in_takes_no_notice_of_an_old_token(served: Product, rows: Rows) -> None:
    someone = await rows.person(await rows.department())
    forger = Forger(served.settings, someone)
    login = """
    mutation ($email: String!, $password: String!) {
      login(input: {email: $email, password: $password}) { viewer { user { id } } }
    }
    """
    variables = {"email": someone.email, "password": "correct horse battery staple"}
    found = await served.data(login, variables, token=forger.signed(exp=past(1)))
    assert found["login"]["viewer"]["user"]["id"] == encoded_id("User", someone.id)


async def test_what_is_followed_ends_with_its_token(
    served: Product, client: Client, person: Person
) -> None:
    dataset = await client.ended(await client.upload("table.csv", files.table()), jobs=2)
    ending = Forger(served.settings, person).signed(exp=datetime.now(UTC) + timedelta(seconds=2))
    async with asyncio.timeout(10):
        code, (_, answer) = await asyncio.gather(
            followed_socket(served, ending, dataset["id"]), over_sse(served, ending, dataset["id"])
        )
    assert code == FORBIDDEN
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_what_is_followed_ends_with_its_session(
    served: Product, client: Client, person: Person
) -> None:
    dataset = await client.ended(await client.upload("table.csv", files.table()), jobs=2)
    follower = client_of(served, person)
    stream = served.follow(WATCH, {"id": dataset["id"]}, token=follower.token)
    async with asyncio.timeout(15):
        assert (await anext(stream))["data"]["jobEvents"]["kind"] == "SNAPSHOT"
        await client.data("mutation { logout { __typename } }")
        with pytest.raises(ConnectionClosed) as closed:
            _ = [payload async for payload in stream]
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


async def over_http(served: Product, query: str, token: str) -> tuple[int, dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{served.url}/graphql",
            json={"query": query},
            headers={
                "authorization": f"Bearer {token}".strip(),
                "accept": "application/graphql-response+json",
            },
        )
    return answer.status_code, answer.json()


async def over_sse(
    served: Product, token: str, dataset: str | None = None
) -> tuple[int, dict[str, Any]]:
    """The status and the last result of a stream, or the refusal that came instead."""
    variables = {"id": dataset or encoded_id("Dataset", uuid4())}
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        answer = await client.post(
            f"{served.url}/graphql",
            json={"query": WATCH, "variables": variables},
            headers={"authorization": f"Bearer {token}".strip(), "accept": "text/event-stream"},
        )
    text = answer.text
    if "data: " in text:
        text = text.rpartition("data: ")[2].partition("\n")[0]
    return answer.status_code, json.loads(text)


async def closed_socket(served: Product, token: str) -> int | None:
    """The code that a socket is closed with when it is initiated; None where it is let in."""
    async with connect(
        f"{served.url}/graphql".replace("http", "ws", 1),
        subprotocols=[Subprotocol("graphql-transport-ws")],
    ) as channel:
        init = {"authorization": f"Bearer {token}".strip()}
        await channel.send(json.dumps({"type": "connection_init", "payload": init}))
        try:
            assert json.loads(await channel.recv())["type"] == "connection_ack"
        except ConnectionClosed as closing:
            return closing.rcvd.code if closing.rcvd else 0
    return None


async def followed_socket(served: Product, token: str, dataset: str) -> int:
    """The code that a socket which follows a dataset is closed with."""
    async with connect(
        f"{served.url}/graphql".replace("http", "ws", 1),
        subprotocols=[Subprotocol("graphql-transport-ws")],
    ) as channel:
        init = {"authorization": f"Bearer {token}".strip()}
        await channel.send(json.dumps({"type": "connection_init", "payload": init}))
        payload = {"query": WATCH, "variables": {"id": dataset}}
        await channel.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        try:
            while True:
                await channel.recv()
        except ConnectionClosed as closing:
            return closing.rcvd.code if closing.rcvd else 0
