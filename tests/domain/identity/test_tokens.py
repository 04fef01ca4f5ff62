from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest
from pydantic import SecretStr

from domain.errors import Unauthenticated
from domain.identity.tokens import ACCESS_AUDIENCE, REFRESH_AUDIENCE, Tokens
from domain.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

USER, SESSION = uuid4(), uuid4()
SECRET, OTHER = "one secret key of enough characters", "another secret key, also long enough"
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


@pytest.fixture
def tokens() -> Tokens:
    return made(SECRET)


def made(secret: str) -> Tokens:
    return Tokens(Settings(database_url=SecretStr("postgresql:///"), secret_key=SecretStr(secret)))


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def claims(**others: Any) -> dict[str, Any]:
    return {
        "iss": "aetherflow",
        "aud": ACCESS_AUDIENCE,
        "sub": str(USER),
        "sid": str(SESSION),
        "iat": datetime.now(UTC),
        "exp": LATER,
        "jti": str(uuid4()),
    } | others


def test_reads_what_it_wrote(tokens: Tokens) -> None:
    token, expires_at = tokens.access(USER, SESSION)
    read = tokens.verified_access(token)
    assert (read.user_id, read.session_id, read.expires_at) == (USER, SESSION, expires_at)
    assert timedelta(minutes=14) < expires_at - datetime.now(UTC) <= timedelta(minutes=15)
    refresh = tokens.verified_refresh(tokens.refresh(USER, SESSION, 7, LATER))
    assert (refresh.user_id, refresh.session_id, refresh.generation, refresh.expires_at) == (
        USER,
        SESSION,
        7,
        LATER,
    )


def test_accepts_the_tokens_of_another_process_with_the_same_secret(tokens: Tokens) -> None:
    other = made(SECRET)
    assert tokens.verified_access(other.access(USER, SESSION)[0]).user_id == USER


def test_accepts_a_token_from_a_clock_that_is_ahead(tokens: Tokens) -> None:
    ahead = claims(iat=datetime.now(UTC) + timedelta(seconds=5))
    token = jwt.encode(ahead, tokens._access_key, "HS256")
    assert tokens.verified_access(token).user_id == USER


def test_neither_kind_of_token_passes_for_the_other(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verified_access(tokens.refresh(USER, SESSION, 1, LATER))
    with pytest.raises(Unauthenticated):
        tokens.verified_refresh(tokens.access(USER, SESSION)[0])
    assert tokens._access_key != tokens._refresh_key


@pytest.mark.parametrize(
    "change",
    [
        {"aud": REFRESH_AUDIENCE},
        {"aud": "another product"},
        {"iss": "another issuer"},
        {"exp": datetime.now(UTC) - timedelta(seconds=1)},
        {"sub": "nobody"},
        {"sub": 7},
        {"sid": "nothing"},
        {"sid": None},
        {"exp": "tomorrow"},
    ],
)
def test_rejects_a_claim_that_is_wrong(tokens: Tokens, change: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verified_access(jwt.encode(claims(**change), tokens._access_key, "HS256"))


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "sid", "iat", "exp", "jti"])
def test_rejects_a_claim_that_is_missing(tokens: Tokens, missing: str) -> None:
    left = {name: value for name, value in claims().items() if name != missing}
    with pytest.raises(Unauthenticated):
        tokens.verified_access(jwt.encode(left, tokens._access_key, "HS256"))


def test_rejects_another_algorithm_even_with_the_right_key(tokens: Tokens) -> None:
    unsigned = jwt.encode(claims(), "", "none")
    stronger = jwt.encode(claims(), tokens._access_key * 2, "HS512")
    # The signature of HS256 under a header that asks for none, and for another algorithm.
    header, payload, signature = tokens.access(USER, SESSION)[0].split(".")
    relabelled = [
        ".".join([encoded({"alg": word, "typ": "JWT"}), payload, signature])
        for word in ("none", "None", "HS512", "RS256")
    ]
    assert header
    for token in (unsigned, stronger, *relabelled):
        with pytest.raises(Unauthenticated):
            tokens.verified_access(token)


TAMPERINGS: dict[str, Callable[[str], str]] = {
    "another user": lambda token: ".".join(
        [
            token.split(".")[0],
            encoded(json.loads(padded(token.split(".")[1])) | {"sub": str(uuid4())}),
            token.split(".")[2],
        ]
    ),
    "no signature": lambda token: token.rpartition(".")[0] + ".",
    "half of it": lambda token: token[: len(token) // 2],
    "more of it": lambda token: token + "A" * 2000,
    "nothing": lambda _: "",
    "words": lambda _: "not a token",
    "dots": lambda _: "..",
    "letters beyond ASCII": lambda _: "é.ü.ß",
    "half a letter": lambda _: "\ud800.a.b",
    "a list for claims": lambda token: ".".join(
        [token.split(".")[0], encoded([]), token.split(".")[2]]
    ),
    "a deep header": lambda token: (
        base64.urlsafe_b64encode(b"[" * 600).decode() + "." + token.partition(".")[2]
    )[:1024],
}


def padded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_rejects_what_was_tampered_with_in_one_sentence(tokens: Tokens, tampering: str) -> None:
    tampered = TAMPERINGS[tampering]
    answers = set()
    for token, verified in (
        (tokens.access(USER, SESSION)[0], tokens.verified_access),
        (tokens.refresh(USER, SESSION, 1, LATER), tokens.verified_refresh),
    ):
        with pytest.raises(Unauthenticated) as refusal:
            verified(tampered(token))
        answers.add(refusal.value.message)
    assert answers == {
        "The access token is not valid or has expired: sign in, or refresh it.",
        "The refresh token is not valid or has expired: sign in again.",
    }


def test_rejects_a_token_of_another_secret(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verified_access(made(OTHER).access(USER, SESSION)[0])


def test_a_fingerprint_tells_secrets_apart_and_depends_on_the_key(tokens: Tokens) -> None:
    assert tokens.fingerprint("a") == tokens.fingerprint("a") != tokens.fingerprint("b")
    other = made(OTHER)
    assert other.fingerprint("a") != tokens.fingerprint("a")


def test_a_sealed_text_comes_back_and_tells_nothing_before(tokens: Tokens) -> None:
    texts = [f"{number}.1795228221" for number in range(200)]
    seals = [tokens.sealed(text) for text in texts]
    assert [tokens.unsealed(seal) for seal in seals] == texts
    assert seals == [made(SECRET).sealed(text) for text in texts]
    assert len({seal[-8:] for seal in seals}) == len(seals)


@pytest.mark.parametrize("fault", ["other key", "one bit", "cut off", "empty", "no seal"])
def test_refuses_what_it_has_not_sealed(tokens: Tokens, fault: str) -> None:
    seal = tokens.sealed("42.1795228221")
    wrong = {
        "other key": made(OTHER).sealed("42.1795228221"),
        "one bit": seal[:-2] + ("A" if seal[-2] != "A" else "B") + seal[-1],
        "cut off": seal[:-4],
        "empty": "",
        "no seal": "NDIuMTc5NTIyODIyMQ",
    }[fault]
    with pytest.raises((ValueError, UnicodeDecodeError)):
        tokens.unsealed(wrong)
