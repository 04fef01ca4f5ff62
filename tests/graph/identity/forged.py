"""Tokens that nobody issued, made from one that holds: what each is, and its text."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
from joserfc import jwk
from joserfc import jwt as jose

from domain.identity.tokens import Tokens, new_api_token

if TYPE_CHECKING:
    from uuid import UUID

    from domain.settings import Settings


def forgeries(settings: Settings, user_id: UUID, session_id: UUID) -> dict[str, str]:
    """Forged forms of the access token of a session that is open, by what is wrong with them."""
    tokens = Tokens(settings)
    good, _ = tokens.access(user_id, session_id)
    key: bytes = tokens._access_key
    later = datetime.now(UTC) + timedelta(hours=1)
    refresh = tokens.refresh(user_id, session_id, 1, later)
    head, body, seal = good.split(".")
    claims: dict[str, Any] = json.loads(_decoded(body))

    def signed(with_key: bytes = key, header: dict[str, Any] | None = None, **others: Any) -> str:
        said = {name: value for name, value in (claims | others).items() if value is not None}
        return _signed({"alg": "HS256", "typ": "JWT"} | (header or {}), said, with_key)

    assert signed() != ""
    rsa, ec = jwk.RSAKey.generate_key(2048), jwk.ECKey.generate_key("P-256")
    public = rsa.as_pem(private=False)
    own = base64.urlsafe_b64encode(b"a key of my own, of 32 characters").decode()
    stranger = Tokens(
        settings.model_copy(update={"secret_key": type(settings.secret_key)("x" * 40)})
    )
    past, now = int(datetime.now(UTC).timestamp()) - 3600, int(datetime.now(UTC).timestamp())
    return {
        **{
            f"algorithm {name}": f"{_part({'alg': name, 'typ': 'JWT'})}.{body}."
            for name in ("none", "None", "NONE", "nOnE", "")
        },
        "algorithm none with a seal": f"{_part({'alg': 'none'})}.{body}.{seal}",
        "no algorithm": f"{_part({'typ': 'JWT'})}.{body}.{seal}",
        "an algorithm that is a list": f"{_part({'alg': ['HS256']})}.{body}.{seal}",
        "another key": stranger.access(user_id, session_id)[0],
        "an empty key": signed(b""),
        "the secret itself as key": signed(settings.secret_key.get_secret_value().encode()),
        "the key of refresh tokens": signed(tokens._refresh_key),
        "HS384": jwt.encode(claims, key.ljust(48, b"\0"), "HS384"),
        "HS512": jwt.encode(claims, key.ljust(64, b"\0"), "HS512"),
        "RS256": jose.encode({"alg": "RS256"}, claims, rsa),
        "ES256": jose.encode({"alg": "ES256"}, claims, ec),
        "sealed with a public key": signed(public),
        "an embedded key": jose.encode(
            {"alg": "RS256", "jwk": rsa.as_dict(private=False)}, claims, rsa
        ),
        "an embedded secret": signed(
            b"a key of my own, of 32 characters", {"jwk": {"kty": "oct", "k": own}}
        ),
        "a key elsewhere": signed(public, {"jku": "https://attacker.example/keys.json"}),
        "a certificate elsewhere": signed(public, {"x5u": "https://attacker.example/cert.pem"}),
        "a certificate inside": signed(public, {"x5c": ["MIIB"]}),
        **{
            f"key id {kid!r}": signed(b"" if "null" in kid else public, {"kid": kid})
            for kid in (
                "/dev/null",
                "../../../../dev/null",
                "' union select 'a' --",
                "| whoami",
                "http://attacker.example/key",
            )
        },
        "a demand that is not understood": signed(b"x" * 32, {"crit": ["exp"], "b64": False}),
        "expired": signed(exp=past),
        "expired just now": signed(exp=now - 1),
        "without an end": signed(exp=None),
        "an end that is no number": signed(exp="tomorrow"),
        "an end beyond all time": signed(exp=10**30),
        "not to be used yet": signed(nbf=now + 3600),
        "another audience": signed(aud="somebody-else"),
        "no audience": signed(aud=None),
        "the audience of refresh tokens": signed(aud="aetherflow-refresh"),
        "the audience of states": signed(aud="aetherflow-state"),
        "another issuer": signed(iss="https://attacker.example"),
        "no issuer": signed(iss=None),
        "no subject": signed(sub=None),
        "another subject": signed(sub=str(uuid4())),
        "a subject that is no id": signed(sub="admin"),
        "a subject that is a list": signed(sub=[str(user_id)]),
        "another session": signed(sid=str(uuid4())),
        "no session": signed(sid=None),
        "a session that is SQL": signed(sid="' or true --"),
        "no id of its own": signed(jti=None),
        "a refresh token": refresh,
        "a state": tokens.state({"sub": str(user_id), "sid": str(session_id)}, timedelta(hours=1)),
        "a changed body": f"{head}.{_part(claims | {'sub': str(uuid4())})}.{seal}",
        "a changed seal": f"{head}.{body}.{('A' if seal[0] != 'A' else 'B') + seal[1:]}",
        "half a seal": f"{head}.{body}.{seal[: len(seal) // 2]}",
        "no seal": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "one part": body,
        "no part": "..",
        "four parts": f"{good}.{seal}",
        "five parts": f"{head}.{body}.{seal}.{body}.{seal}",
        "twice over": f"{good}.{good}",
        "twice beside": f"{good},{good}",
        "two tokens": f"{good} {good}",
        "truncated": good[:-1],
        "padded": f"{good}==",
        "with a NUL": f"{good}%00",
        "huge": f"{head}.{_part(claims | {'more': 'x' * 6000})}.{seal}",
        "huge and sealed": signed(more="x" * 6000),
        "deep": f"{head}.{_encoded(b'[' * 400 + b']' * 400)}.{seal}",
        "a body that is a list": _signed({"alg": "HS256"}, [claims], key),
        "a body that is no JSON": f"{head}.{_encoded(b'admin')}.{seal}",
        "claims said twice": _sealed(
            head, _encoded(_decoded(body)[:-1] + b',"aud":"somebody-else"}'), key
        ),
        "nothing": "",
        "a word": "admin",
        "an API token of nobody": new_api_token(user_id, uuid4())[0],
        "an API token of zeros": "aft_" + "A" * 86,
        "half an API token": new_api_token(user_id, uuid4())[0][:40],
        "an API token of no letters": "aft_" + "!" * 86,
    }


def _signed(header: dict[str, Any], claims: Any, key: bytes) -> str:
    return _sealed(_part(header), _part(claims), key)


def _sealed(head: str, body: str, key: bytes) -> str:
    digest = hmac.new(key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_encoded(digest)}"


def _part(content: Any) -> str:
    return _encoded(json.dumps(content).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
