"""The two addresses through which a browser signs in at an identity provider.

``/oidc/{provider}/start`` sends it there, and ``/oidc/callback`` takes the provider's answer and
sends it back to the page that began, with a one-time code after the ``#``, which no server sees.
What must be remembered meanwhile is signed and kept in a cookie of that one sign-in.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from domain.errors import DomainError, ErrorCode, InvalidInput, NotFound, Unauthenticated
from domain.identity.actions.identities import arrived
from domain.identity.oidc import Challenge
from graph.transport.pages import PAGE, SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from domain.identity.oidc import Provider
    from domain.settings import OidcProvider
    from graph.context import Parts

log = logging.getLogger(__name__)

START = "/oidc/{provider}/start"
CALLBACK = "/oidc/callback"
COOKIE = "aetherflow_oidc_"
COOKIE_PATH = "/oidc"
LIFE = timedelta(minutes=10)
LONGEST_RETURN = 500

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
STATE = re.compile(r"[A-Za-z0-9_-]{43}")
PATH = re.compile(r"/(?![/\\])[!-~]*")

STATUSES = {ErrorCode.NOT_FOUND: 404, ErrorCode.UNAVAILABLE: 503}
HEADERS = SECURITY_HEADERS | {"Cache-Control": "no-store"}


def sign_in_routes(parts: Parts) -> list[BaseRoute]:
    """Gives the routes; none where no provider is configured."""
    if not parts.providers:
        return []
    by_name = {provider.settings.name: provider for provider in parts.providers}

    async def start(request: Request) -> Response:
        provider = by_name.get(request.path_params["provider"])
        if provider is None:
            message = "There is no such identity provider."
            raise NotFound(message)
        query = request.query_params
        kept = {
            "provider": provider.settings.name,
            "page": _checked(query.get("challenge"), CHALLENGE, "challenge"),
            "return": _return_address(parts, query.get("return_to") or PAGE),
        }
        if ticket := query.get("ticket"):
            kept["user"] = ticket_user(parts, ticket, provider.settings.name)
        challenge = Challenge.new()
        address = await provider.address(challenge)
        kept |= {"nonce": challenge.nonce, "verifier": challenge.verifier}
        response = RedirectResponse(address, status_code=303, headers=HEADERS)
        response.set_cookie(
            COOKIE + challenge.state,
            parts.tokens.state({**kept, "state": challenge.state}, LIFE),
            max_age=int(LIFE.total_seconds()),
            path=COOKIE_PATH,
            secure=_is_secure(parts),
            httponly=True,
            samesite="lax",
        )
        return response

    async def callback(request: Request) -> Response:
        query = request.query_params
        state = _checked(query.get("state"), STATE, "state")
        kept = parts.tokens.verified_state(request.cookies.get(COOKIE + state, ""))
        if kept.get("state") != state:
            message = "This sign-in was not begun in this browser: begin again."
            raise Unauthenticated(message)
        told = await _outcome(parts, by_name[kept["provider"]], request, kept)
        response = RedirectResponse(
            f"{kept['return']}#{urlencode(told)}", status_code=303, headers=HEADERS
        )
        response.delete_cookie(
            COOKIE + state,
            path=COOKIE_PATH,
            secure=_is_secure(parts),
            httponly=True,
            samesite="lax",
        )
        return response

    return [
        Route(CALLBACK, _answering(callback), methods=["GET"]),
        Route(START, _answering(start), methods=["GET"]),
    ]


def start_url(parts: Parts, provider: OidcProvider) -> str:
    """Where a sign-in at this provider begins."""
    return f"{parts.settings.public_url}{START.format(provider=provider.name)}"


def ticket(parts: Parts, user_id: UUID, provider: str) -> str:
    """A ticket with which an account begins to link a sign-in; it holds as long as a sign-in."""
    return parts.tokens.state({"ticket": str(user_id), "provider": provider}, LIFE)


def ticket_user(parts: Parts, text: str, provider: str) -> str:
    """Whose ticket this is. Raises `Unauthenticated`."""
    said = parts.tokens.verified_state(text)
    user = said.get("ticket")
    if not isinstance(user, str) or said.get("provider") != provider:
        message = "This link was not begun here: begin again."
        raise Unauthenticated(message)
    return user


async def _outcome(
    parts: Parts, provider: Provider, request: Request, kept: dict[str, str]
) -> dict[str, str]:
    """What the page is told: a code, or in one word why there is none."""
    query = request.query_params
    # RFC 9207: an answer that names an issuer names the one that was asked.
    if query.get("iss", provider.settings.issuer) != provider.settings.issuer:
        return {"sign_in_error": "wrong_issuer"}
    code = query.get("code")
    if not code:
        return {"sign_in_error": "refused"}
    challenge = Challenge(kept["state"], kept["nonce"], kept["verifier"])
    user = kept.get("user")
    try:
        subject = await provider.subject(code, challenge)
        issued = await arrived(
            parts.database, parts.bell, subject, kept["page"], UUID(user) if user else None
        )
    except DomainError as error:
        return {"sign_in_error": error.code.value.lower()}
    return {"link_code" if user else "sign_in_code": issued}


def _answering(
    answer: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Answers a refusal in plain text: who reads it is a person in front of a browser."""

    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except DomainError as error:
            status = STATUSES.get(error.code, 400)
            return PlainTextResponse(f"{error.message}\n", status, headers=HEADERS)

    return answered


def _checked(text: str | None, form: re.Pattern[str], name: str) -> str:
    if text is None or not form.fullmatch(text):
        message = f"The parameter {name} is missing, or has not the form that it must have."
        raise InvalidInput(message)
    return text


def _return_address(parts: Parts, text: str) -> str:
    """Where the browser goes at last: a path of this server, or a page that may call the API."""
    if len(text) <= LONGEST_RETURN and "#" not in text:
        if PATH.fullmatch(text):
            return text
        address = urlsplit(text)
        origin = f"{address.scheme}://{address.netloc}"
        if origin in parts.settings.allowed_origins and text.isascii() and text.isprintable():
            return text
    message = "The parameter return_to is no page of this server or of an allowed origin."
    raise InvalidInput(message)


def _is_secure(parts: Parts) -> bool:
    return (parts.settings.public_url or "").startswith("https://")
