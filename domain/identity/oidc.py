"""OpenID Connect's authorization code flow with PKCE, as a client of any provider.

OpenID Connect Core 1.0 (3.1), RFC 7636 for PKCE, RFC 9207 for the issuer of an answer. Signatures
and claims are checked by joserfc; only asymmetric algorithms are accepted, whatever a token says.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from domain.errors import Unauthenticated, Unavailable
from domain.identity.tokens import challenge_of

if TYPE_CHECKING:
    from domain.settings import OidcProvider

log = logging.getLogger(__name__)

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
ANSWER_SECONDS = 10.0
KEPT_SECONDS = 3600.0
RENEW_SECONDS = 30.0
"""How soon keys may be asked for again because a token names one that is not known."""
CLOCK_SECONDS = 60
"""How far the provider's clock may be from ours."""
LONGEST_SUBJECT = 255
LONGEST_ID_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody at a provider. Issuer and subject are who it is; the rest is what is said of it."""

    issuer: str
    subject: str
    email: str | None
    """An address that the provider has verified, or None."""
    name: str | None


@dataclass(frozen=True, slots=True)
class Challenge:
    """What one sign-in is begun with, and its answer is held against."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Challenge:
        """Makes one that nobody can guess."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class Provider:
    """One provider: where its parts are, and what its answers say."""

    def __init__(
        self, settings: OidcProvider, redirect_uri: str, client: httpx.AsyncClient
    ) -> None:
        self.settings = settings
        self._redirect_uri = redirect_uri
        self._client = client
        self._lock = asyncio.Lock()
        self._found: dict[str, Any] = {}
        self._found_at = -KEPT_SECONDS
        self._keys: KeySet | None = None
        self._keys_at = -KEPT_SECONDS

    async def address(self, challenge: Challenge) -> str:
        """Where the browser goes to sign in. Raises `Unavailable`."""
        found = await self._configuration()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": challenge.state,
            "nonce": challenge.nonce,
            "code_challenge": challenge_of(challenge.verifier),
            "code_challenge_method": "S256",
        }
        endpoint: str = found["authorization_endpoint"]
        joint = "&" if urlsplit(endpoint).query else "?"
        return f"{endpoint}{joint}{urlencode(asked, quote_via=quote)}"

    async def subject(self, code: str, challenge: Challenge) -> Subject:
        """Exchanges an answer's code, and gives who signed in.

        Raises `Unauthenticated` where the provider takes the code for none, or its ID token does
        not hold, and `Unavailable` where it does not answer.
        """
        found = await self._configuration()
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": challenge.verifier,
        }
        options: dict[str, Any] = {}
        secret = self.settings.client_secret
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret is None:
            asked["client_id"] = self.settings.client_id
        elif "client_secret_basic" in methods:
            # RFC 6749, 2.3.1: both are form-encoded first.
            options["auth"] = httpx.BasicAuth(
                quote(self.settings.client_id, safe=""), quote(secret.get_secret_value(), safe="")
            )
        else:
            asked["client_id"] = self.settings.client_id
            asked["client_secret"] = secret.get_secret_value()
        answer = await self._asked("POST", found["token_endpoint"], data=asked, **options)
        token = answer.get("id_token")
        if not isinstance(token, str) or len(token) > LONGEST_ID_TOKEN:
            self._refuse("no ID token")
        return self._subject(await self._claims(token, challenge.nonce))

    async def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            try:
                decoded = jwt.decode(token, await self._known_keys(), algorithms=ALGORITHMS)
            except InvalidKeyIdError:
                # Providers change their keys; the new ones are asked for once.
                keys = await self._known_keys(renew=True)
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            JWTClaimsRegistry(
                leeway=CLOCK_SECONDS,
                iss={"essential": True, "value": self.settings.issuer},
                sub={"essential": True},
                aud={"essential": True, "value": self.settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(decoded.claims)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            self._refuse(f"an ID token that does not hold ({type(error).__name__})")
        return decoded.claims

    def _subject(self, claims: dict[str, Any]) -> Subject:
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        party = claims.get("azp")
        if party not in (
            {None, self.settings.client_id} if len(audiences) == 1 else {self.settings.client_id}
        ):
            self._refuse("an ID token for somebody else")
        subject = claims["sub"]
        if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            self._refuse("a subject that can't be kept")
        email, name = claims.get("email"), claims.get("name")
        vouched = claims.get("email_verified")
        # Some providers write the truth as a word.
        verified = isinstance(email, str) and (vouched is True or vouched == "true")
        return Subject(
            self.settings.issuer,
            subject,
            email if verified else None,
            name if isinstance(name, str) else None,
        )

    async def _configuration(self) -> dict[str, Any]:
        async with self._lock:
            if time.monotonic() - self._found_at > KEPT_SECONDS:
                found = await self._asked("GET", self.settings.issuer.rstrip("/") + DISCOVERY)
                fits = found.get("issuer") == self.settings.issuer
                if not fits or not all(self._trusted(found.get(name)) for name in ENDPOINTS):
                    log.error("provider %s: its configuration does not fit", self.settings.name)
                    raise self._unavailable()
                self._found, self._found_at = found, time.monotonic()
            return self._found

    async def _known_keys(self, *, renew: bool = False) -> KeySet:
        found = await self._configuration()
        async with self._lock:
            age = time.monotonic() - self._keys_at
            if self._keys is None or age > KEPT_SECONDS or (renew and age > RENEW_SECONDS):
                answer: Any = await self._asked("GET", found["jwks_uri"])
                self._keys, self._keys_at = KeySet.import_key_set(answer), time.monotonic()
            return self._keys

    async def _asked(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            answer = await self._client.request(method, url, timeout=ANSWER_SECONDS, **options)
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            log.warning("provider %s: %s", self.settings.name, type(error).__name__)
            raise self._unavailable() from error
        if method == "POST" and answer.is_client_error:
            self._refuse("a code that it takes for none")
        if not answer.is_success or not isinstance(content, dict):
            log.warning("provider %s: answered %s", self.settings.name, answer.status_code)
            raise self._unavailable()
        return content

    def _trusted(self, url: object) -> bool:
        # A provider that is reached over TLS sends nobody anywhere else.
        scheme = urlsplit(self.settings.issuer).scheme
        return isinstance(url, str) and urlsplit(url).scheme in {scheme, "https"}

    def _unavailable(self) -> Unavailable:
        return Unavailable("The identity provider does not answer as it should. Try again later.")

    def _refuse(self, what: str) -> NoReturn:
        log.warning("provider %s: %s", self.settings.name, what)
        message = "The identity provider's answer does not hold: begin again."
        raise Unauthenticated(message)
