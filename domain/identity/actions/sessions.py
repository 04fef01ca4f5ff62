"""Signing in and out, and keeping a session alive by rotating its refresh token.

These declare no permission, because they are how one comes by any.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from domain.errors import Unauthenticated
from domain.identity.actions.proof import account_of, attempted, proved
from domain.identity.models import RevokedReason, Session, User
from domain.work import working

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from domain.bell import Bell
    from domain.database import Database
    from domain.identity.tokens import Tokens
    from domain.scope import Identity
    from domain.work import Work

LONGEST_AGENT = 500

REFUSED = (
    "This e-mail address and password do not open an active account. After five wrong passwords "
    "an account is locked for a minute, and longer after each further one."
)
ENDED = "This session has ended: sign in again."


@dataclass(frozen=True, slots=True)
class Device:
    """Where a caller signs in from, as far as it says so."""

    user_agent: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The tokens of a session, and when the access token expires."""

    user_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str
    expires_at: datetime


async def login(
    database: Database, bell: Bell, tokens: Tokens, email: str, password: str, device: Device
) -> SignedIn:
    """Starts a session for whoever knows an account's password.

    Raises `Unauthenticated`, with one answer and the same work, for an unknown address, a wrong
    password, a locked account and one that is not active; and `Unavailable` when too many
    passwords are being checked.
    """
    async with working(database, None, bell) as work:
        work.public()
        account = await account_of(work, email)
    attempt = await attempted(account, password)
    async with working(database, None, bell) as work:
        work.public()
        await work.become(account.user_id)
        if not await proved(work, attempt):
            work.refuse(Unauthenticated(REFUSED))
        await work.rows(
            update(User).where(User.id == account.user_id).values(last_login_at=func.now())
        )
        session_id, expires_at = await open_session(
            work, account.user_id, tokens.refresh_life, device
        )
    refresh_token = tokens.refresh(account.user_id, session_id, 1, expires_at)
    return _signed_in(tokens, account.user_id, session_id, refresh_token)


async def open_session(
    work: Work, user_id: UUID, life: timedelta, device: Device
) -> tuple[UUID, datetime]:
    """Inserts a session of the account that the Work acts for; gives its id and its end."""
    row = await work.row(
        insert(Session)
        .values(
            user_id=user_id,
            expires_at=func.now() + literal(life),
            user_agent=device.user_agent[:LONGEST_AGENT] if device.user_agent else None,
            ip_address=_address(device.address),
        )
        .returning(Session.id, Session.expires_at)
    )
    assert row is not None  # noqa: S101 (an insert that does not fail returns its row)
    return row.id, row.expires_at


async def refresh_session(
    database: Database, bell: Bell, tokens: Tokens, refresh_token: str
) -> SignedIn:
    """Exchanges the newest refresh token of a session for the next one.

    A token that was exchanged before ends the session, since either its owner or a thief holds a
    copy (RFC 9700, 4.14.2). Of several exchanges of one token that overlap, exactly one succeeds;
    the others are refused and end nothing, as two windows of one browser may well do that.

    Raises `Unauthenticated`.
    """
    claims = tokens.verified_refresh(refresh_token)
    async with working(database, None, bell) as work:
        work.public()
        await work.become(claims.user_id)
        session = await work.row(
            select(Session.generation).where(
                Session.id == claims.session_id,
                Session.user_id == claims.user_id,
                Session.revoked_at.is_(None),
                Session.expires_at > func.now(),
            )
        )
        if session is None:
            raise Unauthenticated(ENDED)
        if session.generation != claims.generation:
            await _revoke(work, claims.session_id, RevokedReason.REUSE)
            work.refuse(Unauthenticated(ENDED))
        # Whoever came first has moved the generation on by the time that the row is free again.
        renewed = await work.row(
            update(Session)
            .where(
                Session.id == claims.session_id,
                Session.generation == claims.generation,
                Session.revoked_at.is_(None),
            )
            .values(
                generation=Session.generation + 1,
                last_used_at=func.now(),
                expires_at=func.now() + literal(tokens.refresh_life),
            )
            .returning(Session.generation, Session.expires_at)
        )
        if renewed is None:
            message = "This refresh token is just being exchanged by another request."
            raise Unauthenticated(message)
    following = tokens.refresh(
        claims.user_id, claims.session_id, renewed.generation, renewed.expires_at
    )
    return _signed_in(tokens, claims.user_id, claims.session_id, following)


async def logout(database: Database, bell: Bell, identity: Identity) -> None:
    """Ends the session that stands behind a valid access token; a second time does nothing."""
    async with working(database, None, bell) as work:
        work.public()
        await work.become(identity.user_id)
        await _revoke(work, identity.session_id, RevokedReason.LOGOUT)


async def revoke_other_sessions(work: Work, kept_session: UUID | None) -> None:
    """Ends all sessions of the caller but one, because its password has changed."""
    await work.rows(
        update(Session)
        .where(
            Session.user_id == work.user_id,
            Session.id.is_distinct_from(kept_session),
            Session.revoked_at.is_(None),
        )
        .values(revoked_at=func.now(), revoked_reason=RevokedReason.PASSWORD_CHANGED)
    )
    work.access_changed()


async def _revoke(work: Work, session_id: UUID | None, reason: RevokedReason) -> None:
    await work.rows(
        update(Session)
        .where(
            Session.id == session_id,
            Session.user_id == work.user_id,
            Session.revoked_at.is_(None),
        )
        .values(revoked_at=func.now(), revoked_reason=reason)
    )
    work.access_changed()


def _signed_in(tokens: Tokens, user_id: UUID, session_id: UUID, refresh_token: str) -> SignedIn:
    access_token, expires_at = tokens.access(user_id, session_id)
    return SignedIn(user_id, session_id, access_token, refresh_token, expires_at)


def _address(text: str | None) -> str | None:
    # A caller behind a local socket has a name there, or nothing, in place of an address.
    try:
        return str(ip_address(text)) if text else None
    except ValueError:
        return None
