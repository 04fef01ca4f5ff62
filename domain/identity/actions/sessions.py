"""Signing in and out, and keeping a session alive by rotating its refresh token.

These declare no permission, because they are how one comes by any.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from domain.database import Row
from domain.errors import NotFound, Unauthenticated
from domain.identity.actions.proof import account_of, attempted, proved
from domain.identity.actions.rules import locked_user, require_whole_user
from domain.identity.attempts import return_attempt, take_attempt
from domain.identity.models import RevokedReason, Session, User
from domain.permissions import Permission
from domain.scope import plain_address
from domain.statements import Statement
from domain.work import working

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from uuid import UUID

    from domain.bell import Bell
    from domain.database import Database
    from domain.identity.tokens import Tokens
    from domain.scope import Identity, Origin
    from domain.work import Work

LONGEST_AGENT = 500

REFUSED = (
    "This e-mail address and password do not open an active account. After five wrong passwords "
    "an account is locked for a minute, and longer after each further one."
)
SESSION_USER = Statement("select session_user_of($1) as user_id", ("session",), {}, Row)
REVOKE = Statement(
    "select revoke_sessions($1, $2, $3) as revoked", ("user", "session", "kept"), {}, Row
)

ENDED = "This session has ended: sign in again."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The tokens of a session, and when the access token expires."""

    user_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str
    expires_at: datetime


async def login(
    database: Database, bell: Bell, tokens: Tokens, email: str, password: str, origin: Origin
) -> SignedIn:
    """Starts a session for whoever knows an account's password.

    Raises `Unauthenticated`, with one answer and the same work, for an unknown address, a wrong
    password, a locked account and one that is not active; `RateLimited` when the account or the
    address has no attempt left, before the password is looked at; and `Unavailable` when too many
    passwords are being checked.
    """
    origin = replace(origin, reason="login")
    async with working(database, None, bell, origin=origin) as work:
        work.public()
        account = await account_of(work, email)
        taken = await take_attempt(work, tokens, account.email, origin.address)
    attempt = await attempted(account, password)
    async with working(database, None, bell, origin=origin) as work:
        work.public()
        await work.become(account.user_id)
        if not await proved(work, attempt):
            work.refuse(Unauthenticated(REFUSED))
        await return_attempt(work, taken)
        await work.rows(
            update(User).where(User.id == account.user_id).values(last_login_at=func.now())
        )
        opened = await open_session(work, account.user_id, tokens.refresh_life, origin)
    return first_tokens(tokens, account.user_id, *opened)


async def open_session(
    work: Work, user_id: UUID, life: timedelta, origin: Origin
) -> tuple[UUID, datetime]:
    """Inserts a session of the account that the Work acts for; gives its id and its end."""
    row = await work.row(
        insert(Session)
        .values(
            user_id=user_id,
            expires_at=func.now() + literal(life),
            user_agent=origin.user_agent[:LONGEST_AGENT] if origin.user_agent else None,
            ip_address=plain_address(origin.address),
        )
        .returning(Session.id, Session.expires_at)
    )
    assert row is not None  # noqa: S101 (an insert that does not fail returns its row)
    return row.id, row.expires_at


def first_tokens(tokens: Tokens, user_id: UUID, session_id: UUID, expires_at: datetime) -> SignedIn:
    """Makes the tokens of a session that was just opened."""
    refresh_token = tokens.refresh(user_id, session_id, 1, expires_at)
    return _signed_in(tokens, user_id, session_id, refresh_token)


async def refresh_session(
    database: Database, bell: Bell, tokens: Tokens, refresh_token: str, origin: Origin
) -> SignedIn:
    """Exchanges the newest refresh token of a session for the next one.

    A token that was exchanged before ends the session, since either its owner or a thief holds a
    copy (RFC 9700, 4.14.2). Of several exchanges of one token that overlap, exactly one succeeds;
    the others are refused and end nothing, as two windows of one browser may well do that.

    Raises `Unauthenticated`.
    """
    claims = tokens.verified_refresh(refresh_token)
    origin = replace(origin, reason="refreshSession")
    async with working(database, None, bell, origin=origin) as work:
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


async def logout(database: Database, bell: Bell, identity: Identity, origin: Origin) -> None:
    """Ends the session that stands behind a valid access token; a second time does nothing."""
    async with working(database, None, bell, origin=replace(origin, reason="logout")) as work:
        work.public()
        await work.become(identity.user_id)
        await _revoke(work, identity.session_id, RevokedReason.LOGOUT)


async def revoke_other_sessions(
    work: Work,
    kept_session: UUID | None,
    reason: RevokedReason = RevokedReason.PASSWORD_CHANGED,
) -> None:
    """Ends all sessions of the caller but one, because its password has changed."""
    await work.rows(
        update(Session)
        .where(
            Session.user_id == work.user_id,
            Session.id.is_distinct_from(kept_session),
            Session.revoked_at.is_(None),
        )
        .values(revoked_at=func.now(), revoked_reason=reason)
    )
    work.access_changed()


async def revoke_session(work: Work, session_id: UUID) -> UUID:
    """Ends one open session, the caller's own or a user's, and gives the user.

    Its access tokens are refused from the next request on. Raises `NotFound` where there is none
    that the caller may know of, which is that of a user of whom it may write every department.
    """
    row = await work.row(SESSION_USER, session=session_id)
    if row is None or row.user_id is None:
        message = "There is no such open session."
        raise NotFound(message)
    user_id: UUID = row.user_id
    await _govern(work, user_id)
    await work.rows(REVOKE, user=user_id, session=session_id, kept=None)
    work.access_changed()
    return user_id


async def revoke_sessions(work: Work, user_id: UUID) -> int:
    """Ends all open sessions of a user, of oneself all but the one that asks; gives how many.

    Raises `NotFound`, and `Forbidden` without user:write in all departments of the user.
    """
    await _govern(work, user_id)
    kept = work.identity.session_id if work.identity and user_id == work.user_id else None
    row = await work.row(REVOKE, user=user_id, session=None, kept=kept)
    work.access_changed()
    return int(row.revoked) if row else 0


async def _govern(work: Work, user_id: UUID) -> None:
    if user_id == work.user_id:
        work.own()
    else:
        await locked_user(work, user_id)
        await require_whole_user(work, user_id, Permission.USER_WRITE)


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
