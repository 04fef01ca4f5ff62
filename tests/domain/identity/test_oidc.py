"""What a provider may answer and must not be believed, from a provider that answers anything."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from joserfc import jwk
from joserfc import jwt as jose
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from domain.errors import Unauthenticated, Unavailable
from domain.identity.oidc import Challenge, Provider
from domain.settings import OidcProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

ISSUER = "https://provider.test"
CLIENT = "a-client"
SECRET = "a secret of the client, of more than 32 characters"
RSA = jwk.RSAKey.generate_key(2048, {"kid": "first"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "first"})
SECOND = jwk.RSAKey.generate_key(2048, {"kid": "second"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "curve"})
CHALLENGE = Challenge("state", "nonce", "verifier")


@dataclass
class Answers:
    """What the provider answers; a test changes what it wants to be wrong."""

    configuration: dict[str, Any] = field(
        default_factory=lambda: {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
        }
    )
    keys: list[Any] = field(default_factory=lambda: [RSA, EC])
    token: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def answers() -> Answers:
    return Answers(token={"id_token": signed()})


@pytest.fixture
async def provider(answers: Answers) -> AsyncIterator[Provider]:
    async def configuration(_request: Request) -> JSONResponse:
        answers.asked.append("configuration")
        return JSONResponse(answers.configuration, answers.status)

    async def keys(_request: Request) -> JSONResponse:
        answers.asked.append("keys")
        return JSONResponse({"keys": [key.as_dict(private=False) for key in answers.keys]})

    async def token(request: Request) -> JSONResponse:
        form = (await request.body()).decode()
        answers.asked.append(f"token {request.headers.get('authorization')} {form}")
        return JSONResponse(answers.token, answers.status)

    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", configuration),
            Route("/keys", keys),
            Route("/token", token, methods=["POST"]),
        ]
    )
    settings = OidcProvider(
        name="provider",
        issuer=ISSUER,
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        yield Provider(settings, "https://flow.test/oidc/callback", client)


def claims(**others: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "iss": ISSUER,
        "sub": "somebody",
        "aud": CLIENT,
        "exp": now + 300,
        "iat": now,
        "nonce": "nonce",
        "email": "somebody@people.example",
        "email_verified": True,
        "name": "Some Body",
    } | others
    return {name: value for name, value in given.items() if value is not None}


def signed(key: Any = RSA, header: dict[str, Any] | None = None, **others: Any) -> str:
    head = {"alg": "RS256", "kid": key.kid} | (header or {})
    return jose.encode(head, claims(**others), key, algorithms=[head["alg"]])


def unsigned(algorithm: str) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": algorithm}, claims())]
    return ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts) + "."


async def test_believes_a_token_that_holds(provider: Provider, answers: Answers) -> None:
    subject = await provider.subject("code", CHALLENGE)
    assert (subject.issuer, subject.subject) == (ISSUER, "somebody")
    assert (subject.email, subject.name) == ("somebody@people.example", "Some Body")
    (exchange,) = [each for each in answers.asked if each.startswith("token")]
    assert "code_verifier=verifier" in exchange
    assert "Basic " in exchange


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: signed(EC, {"alg": "ES256"}), "ES256"),
        (lambda: signed(aud=[CLIENT], azp=CLIENT), "a list of one"),
        (lambda: signed(aud=[CLIENT, "other"], azp=CLIENT), "an authorized party"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_believes_other_forms_that_hold(
    provider: Provider, answers: Answers, make: Callable[[], str], key: str
) -> None:
    assert key
    answers.token = {"id_token": make()}
    assert (await provider.subject("code", CHALLENGE)).subject == "somebody"


FORGED: dict[str, Callable[[], object]] = {
    "none": lambda: unsigned("none"),
    "None": lambda: unsigned("None"),
    "the client's secret": lambda: jose.encode(
        {"alg": "HS256"}, claims(), jwk.OctKey.import_key(SECRET)
    ),
    "the public key as a secret": lambda: jose.encode(
        {"alg": "HS256", "kid": "first"},
        claims(),
        jwk.OctKey.import_key(base64.b64encode(RSA.as_der(private=False))),
    ),
    "another key of the same id": lambda: signed(OTHER),
    "an embedded key": lambda: signed(OTHER, {"jwk": OTHER.as_dict(private=False)}),
    "an unknown key": lambda: signed(SECOND),
    "another issuer": lambda: signed(iss="https://attacker.test"),
    "another audience": lambda: signed(aud="another-client"),
    "several audiences without a party": lambda: signed(aud=[CLIENT, "other"]),
    "another party": lambda: signed(azp="another-client"),
    "another nonce": lambda: signed(nonce="another"),
    "no nonce": lambda: signed(nonce=None),
    "expired": lambda: signed(exp=int(time.time()) - 120),
    "without an end": lambda: signed(exp=None),
    "from the future": lambda: signed(iat=int(time.time()) + 600),
    "no subject": lambda: signed(sub=None),
    "an empty subject": lambda: signed(sub=""),
    "a subject that is a number": lambda: signed(sub=7),
    "a subject that is too long": lambda: signed(sub="x" * 256),
    "a subject with a NUL": lambda: signed(sub="some\0body"),
    "huge": lambda: signed(more="x" * 20_000),
    "no token": lambda: None,
    "a number": lambda: 7,
    "a word": lambda: "token",
}


@pytest.mark.parametrize("name", FORGED)
async def test_believes_no_forged_token(provider: Provider, answers: Answers, name: str) -> None:
    answers.token = {"id_token": FORGED[name]()}
    with pytest.raises(Unauthenticated):
        await provider.subject("code", CHALLENGE)


@pytest.mark.parametrize("verified", [False, None, "no", 1])
async def test_an_address_that_nobody_vouches_for_is_none(
    provider: Provider, answers: Answers, verified: object
) -> None:
    answers.token = {"id_token": signed(email_verified=verified)}
    assert (await provider.subject("code", CHALLENGE)).email is None


async def test_asks_once_for_keys_that_have_changed(
    provider: Provider, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await provider.subject("code", CHALLENGE)
    answers.keys = [SECOND]
    answers.token = {"id_token": signed(SECOND)}
    # Somebody who makes keys up has the provider asked no more often than this.
    with pytest.raises(Unauthenticated):
        await provider.subject("code", CHALLENGE)
    assert answers.asked.count("keys") == 1
    monkeypatch.setattr("domain.identity.oidc.RENEW_SECONDS", -1)
    assert (await provider.subject("code", CHALLENGE)).subject == "somebody"
    assert answers.asked.count("keys") == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "https://attacker.test"),
        ("issuer", f"{ISSUER}/"),
        ("token_endpoint", "http://provider.test/token"),
        ("authorization_endpoint", None),
        ("jwks_uri", "file:///etc/passwd"),
    ],
)
async def test_does_not_use_a_configuration_that_does_not_fit(
    provider: Provider, answers: Answers, name: str, value: str | None
) -> None:
    answers.configuration[name] = value
    with pytest.raises(Unavailable):
        await provider.address(CHALLENGE)


async def test_finds_its_way_again_once_the_provider_answers(
    provider: Provider, answers: Answers
) -> None:
    answers.status = 503
    with pytest.raises(Unavailable):
        await provider.address(CHALLENGE)
    answers.status = 200
    address = await provider.address(CHALLENGE)
    assert address.startswith(f"{ISSUER}/authorize?response_type=code&client_id={CLIENT}")
    assert "code_challenge_method=S256" in address
    assert "verifier" not in address


async def test_asks_for_the_configuration_once_for_all_who_come_at_once(
    provider: Provider, answers: Answers
) -> None:
    await asyncio.gather(*(provider.address(CHALLENGE) for _ in range(10)))
    assert answers.asked == ["configuration"]


async def test_no_secret_is_logged_when_it_goes_wrong(
    provider: Provider, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    answers.token = {"id_token": unsigned("none")}
    with pytest.raises(Unauthenticated):
        await provider.subject("a-secret-code", CHALLENGE)
    answers.status = 400
    with pytest.raises(Unauthenticated):
        await provider.subject("a-secret-code", CHALLENGE)
    assert caplog.records
    for secret in (SECRET, "a-secret-code", "verifier", unsigned("none")[:30]):
        assert secret not in caplog.text
