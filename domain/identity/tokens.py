"""Access and refresh tokens: JSON Web Tokens (RFC 7519), each kind with its own key and audience.

Only HS256 is accepted whatever a token's header says (RFC 8725, 3.1), and every claim is required.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import jwt

from domain.errors import Unauthenticated
from domain.scope import TokenKey

if TYPE_CHECKING:
    from domain.settings import Settings

ALGORITHM = "HS256"
ISSUER = "aetherflow"
ACCESS_AUDIENCE = "aetherflow-api"
REFRESH_AUDIENCE = "aetherflow-refresh"
STATE_AUDIENCE = "aetherflow-state"

API_TOKEN = "aft_"  # noqa: S105 (no secret)
"""What every API token begins with, so that searches for lost secrets find it."""
SECRET_BYTES = 32
KEY_BYTES = 16

LONGEST_TOKEN = 1024
"""Ours have about 400 characters; nothing longer is even parsed."""

PROVED_TOKENS = 10_000
"""How many access tokens are remembered as valid by their digests, some 5 MB."""

SEAL_BYTES = 10
"""How much of a digest proves a sealed text: 80 bits, for what nobody gains much by forging."""

LONGEST_STATE = 3000
"""A state goes into a cookie, of which browsers keep 4,096 bytes."""

FAULTS = (
    jwt.PyJWTError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What reading a token that somebody made up can raise."""

COMMON_CLAIMS = ("iss", "aud", "sub", "sid", "iat", "exp")


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a valid refresh token says; ``generation`` tells which of its family it is."""

    user_id: UUID
    session_id: UUID
    generation: int
    expires_at: datetime


class Tokens:
    """Makes and checks tokens. All processes with the same secret key accept each other's."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.secret_key.get_secret_value().encode()
        self._access_key = _derived(secret, "access token")
        self._refresh_key = _derived(secret, "refresh token")
        self._fingerprint_key = _derived(secret, "fingerprint")
        self._seal_key = _derived(secret, "seal")
        self._state_key = _derived(secret, "state")
        self._access_life = timedelta(minutes=settings.access_token_minutes)
        self._refresh_life = timedelta(days=settings.refresh_token_days)
        self._proved: dict[bytes, AccessClaims] = {}

    @property
    def access_life(self) -> timedelta:
        """How long an access token lasts."""
        return self._access_life

    @property
    def refresh_life(self) -> timedelta:
        """How long a session lasts after its last use."""
        return self._refresh_life

    def access(self, user_id: UUID, session_id: UUID) -> tuple[str, datetime]:
        """Makes an access token, and tells when it expires."""
        expires_at = (datetime.now(UTC) + self._access_life).replace(microsecond=0)
        claims = _claims(ACCESS_AUDIENCE, user_id, session_id, expires_at) | {"jti": str(uuid4())}
        return jwt.encode(claims, self._access_key, ALGORITHM), expires_at

    def refresh(
        self, user_id: UUID, session_id: UUID, generation: int, expires_at: datetime
    ) -> str:
        """Makes the refresh token of one generation of a session, which ends at ``expires_at``."""
        claims = _claims(REFRESH_AUDIENCE, user_id, session_id, expires_at) | {"gen": generation}
        return jwt.encode(claims, self._refresh_key, ALGORITHM)

    def verified_access(self, token: str) -> AccessClaims:
        """Reads an access token. Raises `Unauthenticated` for whatever is wrong with it."""
        # What was proved of a token stays so until it expires; a session that ended meanwhile is
        # found when a transaction opens with it.
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._proved.get(digest)
        if known is not None and known.expires_at > datetime.now(UTC):
            return known
        try:
            claims = _verified(token, self._access_key, ACCESS_AUDIENCE, "jti")
            proved = AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]), _expiry(claims))
        except FAULTS:
            message = "The access token is not valid or has expired: sign in, or refresh it."
            raise Unauthenticated(message) from None
        if len(self._proved) >= PROVED_TOKENS:
            self._proved.clear()
        self._proved[digest] = proved
        return proved

    def verified_refresh(self, token: str) -> RefreshClaims:
        """Reads a refresh token. Raises `Unauthenticated` for whatever is wrong with it."""
        try:
            claims = _verified(token, self._refresh_key, REFRESH_AUDIENCE, "gen")
            return RefreshClaims(
                UUID(claims["sub"]), UUID(claims["sid"]), int(claims["gen"]), _expiry(claims)
            )
        except FAULTS:
            message = "The refresh token is not valid or has expired: sign in again."
            raise Unauthenticated(message) from None

    def state(self, what: dict[str, Any], life: timedelta) -> str:
        """Signs what a browser carries for us between two of its requests, for so long."""
        now = datetime.now(UTC)
        claims = {"iss": ISSUER, "aud": STATE_AUDIENCE, "iat": now, "exp": now + life}
        return jwt.encode({**what, **claims}, self._state_key, ALGORITHM)

    def verified_state(self, token: str) -> dict[str, Any]:
        """Reads a signed state. Raises `Unauthenticated` for whatever is wrong with it."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token if len(token) <= LONGEST_STATE else "",
                self._state_key,
                algorithms=[ALGORITHM],
                audience=STATE_AUDIENCE,
                issuer=ISSUER,
                options={"require": ["iss", "aud", "iat", "exp"], "verify_iat": False},
            )
        except FAULTS:
            message = "This was not begun here, or too long ago: begin again."
            raise Unauthenticated(message) from None
        return claims

    def sealed(self, text: str) -> str:
        """Hides a short text that a client keeps for us; the same text gives the same seal.

        The digest of the text both proves it and keys its mask, as in RFC 5297's synthetic IV.
        """
        plain = text.encode()
        proof = self._digest(b"proof", plain)[:SEAL_BYTES]
        mask = self._digest(b"mask", proof)
        if len(plain) > len(mask):
            message = f"a sealed text has at most {len(mask)} bytes"
            raise ValueError(message)
        hidden = bytes(a ^ b for a, b in zip(plain, mask, strict=False))
        return base64.urlsafe_b64encode(proof + hidden).rstrip(b"=").decode()

    def unsealed(self, text: str) -> str:
        """Gives a sealed text back. Raises `ValueError` for what was not sealed with this key."""
        whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        proof, hidden = whole[:SEAL_BYTES], whole[SEAL_BYTES:]
        plain = bytes(a ^ b for a, b in zip(hidden, self._digest(b"mask", proof), strict=False))
        if not hmac.compare_digest(proof, self._digest(b"proof", plain)[:SEAL_BYTES]):
            raise ValueError(text)
        return plain.decode()

    def _digest(self, use: bytes, content: bytes) -> bytes:
        return hmac.new(self._seal_key, use + content, hashlib.sha512).digest()

    def fingerprint(self, secret: str) -> str:
        """A keyed digest that tells whether two secrets are the same, and nothing else of them."""
        encoded = secret.encode(errors="surrogatepass")
        return hmac.new(self._fingerprint_key, encoded, hashlib.sha256).hexdigest()


def new_api_token(user_id: UUID, token_id: UUID) -> tuple[str, TokenKey]:
    """Makes the text of an API token, which is shown once, and what is kept of it."""
    whole = user_id.bytes + token_id.bytes + secrets.token_bytes(SECRET_BYTES)
    text = API_TOKEN + base64.urlsafe_b64encode(whole).rstrip(b"=").decode()
    return text, TokenKey(token_id, digest(text))


def read_api_token(text: str) -> tuple[UUID, TokenKey]:
    """Gives the user and the key of an API token, which are yet to be proved.

    Raises `Unauthenticated` for what can be none.
    """
    encoded = text.removeprefix(API_TOKEN)
    try:
        whole = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except ValueError:
        whole = b""
    if len(text) > LONGEST_TOKEN or len(whole) != 2 * KEY_BYTES + SECRET_BYTES:
        message = "The API token is not valid, has expired or was revoked."
        raise Unauthenticated(message)
    user_id, token_id = UUID(bytes=whole[:KEY_BYTES]), UUID(bytes=whole[KEY_BYTES : 2 * KEY_BYTES])
    return user_id, TokenKey(token_id, digest(text))


def new_code() -> tuple[str, str]:
    """Makes a one-time code, and the digest that is kept of it."""
    code = secrets.token_urlsafe(SECRET_BYTES)
    return code, digest(code)


def digest(secret: str) -> str:
    """The SHA-256 of a secret that is itself random, so nothing slower is needed."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, 4.2)."""
    hashed = hashlib.sha256(verifier.encode(errors="surrogatepass")).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def _derived(secret: bytes, purpose: str) -> bytes:
    # HKDF (RFC 5869) with SHA-256 and no salt, one block: extract, then expand for the purpose.
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, f"aetherflow {purpose}".encode() + b"\x01", hashlib.sha256).digest()


def _claims(audience: str, user_id: UUID, session_id: UUID, expires_at: datetime) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": audience,
        "sub": str(user_id),
        "sid": str(session_id),
        "iat": datetime.now(UTC),
        "exp": expires_at,
    }


def _verified(token: str, key: bytes, audience: str, *further: str) -> dict[str, Any]:
    if len(token) > LONGEST_TOKEN:
        raise ValueError(token)
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=audience,
        issuer=ISSUER,
        # A token that another process made with its clock a second ahead is no forgery.
        options={"require": [*COMMON_CLAIMS, *further], "verify_iat": False},
    )
    return claims


def _expiry(claims: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(claims["exp"], UTC)
