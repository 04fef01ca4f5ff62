"""What letters are for: a new password for whoever forgot it, and proof of an e-mail address.

Asking for a new password takes the same work and gives the same answer whether or not the address
is an account's; only its owner learns, by the letter.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from domain.errors import Conflict, DomainError, InvalidInput, Unavailable
from domain.identity.actions.proof import account_of
from domain.identity.actions.sessions import revoke_other_sessions
from domain.identity.attempts import take_attempt
from domain.identity.codes import Proof, code_holds, issue_code, take_code
from domain.identity.models import CodePurpose, RevokedReason, User
from domain.identity.passwords import check_password, hash_password
from domain.post import Letter
from domain.work import working

if TYPE_CHECKING:
    from domain.bell import Bell
    from domain.database import Database
    from domain.identity.tokens import Tokens
    from domain.post import Post
    from domain.scope import Origin
    from domain.work import Work

RESET_LIFE = timedelta(hours=1)
VERIFICATION_LIFE = timedelta(days=2)

RESET_TEXT = """\
Somebody, most likely you, asked for a new password for this address at AetherFlow.

Give this code where you set the new password. It works once, within an hour:

    {code}

If it was not you, nothing has changed, and you need do nothing.
"""
VERIFICATION_TEXT = """\
Give this code to AetherFlow to confirm that this address is yours. It works once, within two days:

    {code}

If you have no account there, you need do nothing.
"""


async def request_password_reset(
    database: Database, bell: Bell, tokens: Tokens, post: Post, email: str, origin: Origin
) -> None:
    """Sends a code for a new password to an address, if it is an active account's.

    Raises `RateLimited` when too many were asked for with this address or from this place, and
    `Unavailable` when this server sends no letters; both whoever the address belongs to.
    """
    require_post(post)
    async with working(
        database, None, bell, origin=replace(origin, reason="requestPasswordReset")
    ) as work:
        work.public()
        account = await account_of(work, email)
        await take_attempt(work, tokens, account.email, origin.address, kind="letter")
        proof = Proof(account.user_id if account.is_active else None, email=account.email[:255])
        code = await issue_code(work, CodePurpose.RESET_PASSWORD, RESET_LIFE, proof)
    if account.is_active:
        post.send(Letter(account.email, "A new password", RESET_TEXT.format(code=code)))


async def reset_password(
    database: Database, bell: Bell, code: str, new: str, origin: Origin
) -> None:
    """Sets a new password for whoever holds a letter's code, and ends all sessions of the account.

    The letter reached its address, so that is confirmed with it. Raises `InvalidInput` for a code
    that is wrong, used or expired, and for a password that breaks a rule.
    """
    check_password(new, "newPassword")
    origin = replace(origin, reason="resetPassword")
    async with working(database, None, bell, origin=origin) as work:
        work.public()
        # Asked before the slow work, so that nobody without a code can order it.
        if not await code_holds(work, CodePurpose.RESET_PASSWORD, code):
            raise _bad_code()
    password_hash = await hash_password(new, "newPassword")
    async with working(database, None, bell, origin=origin) as work:
        work.public()
        proof = await take_code(work, CodePurpose.RESET_PASSWORD, code)
        if proof is None or proof.user_id is None:
            raise _bad_code()
        await work.become(proof.user_id)
        changed = await work.row(
            update(User)
            .where(User.id == proof.user_id, User.is_active, User.deleted_at.is_(None))
            .values(
                password_hash=password_hash,
                password_changed_at=func.now(),
                failed_login_count=0,
                locked_until=None,
                is_verified=True,
            )
            .returning(User.id)
        )
        if changed is None:
            raise _bad_code()
        await revoke_other_sessions(work, None, RevokedReason.PASSWORD_RESET)


async def request_email_verification(work: Work, tokens: Tokens, post: Post) -> Letter:
    """Gives the letter that proves the caller's own address, to be sent once this is committed.

    Raises `Conflict` when that is done already, and as `request_password_reset`.
    """
    work.own()
    require_post(post)
    me = await work.row(
        select(User.email, User.is_verified).where(User.id == work.user_id).with_for_update()
    )
    assert me is not None  # noqa: S101 (the transaction began with this account being active)
    if me.is_verified:
        message = "This address is confirmed already."
        raise Conflict(message)
    await take_attempt(work, tokens, me.email, None, kind="letter")
    proof = Proof(work.user_id, email=me.email)
    code = await issue_code(work, CodePurpose.VERIFY_EMAIL, VERIFICATION_LIFE, proof)
    return Letter(me.email, "Confirm your e-mail address", VERIFICATION_TEXT.format(code=code))


async def verify_email(database: Database, bell: Bell, code: str, origin: Origin) -> None:
    """Confirms the address that a code was sent to.

    Raises `InvalidInput` for a code that is wrong, used or expired, or whose account was closed or
    has another address by now.
    """
    origin = replace(origin, reason="verifyEmail")
    async with working(database, None, bell, origin=origin) as work:
        work.public()
        proof = await take_code(work, CodePurpose.VERIFY_EMAIL, code)
        if proof is None or proof.user_id is None:
            raise _bad_code()
        await work.become(proof.user_id)
        confirmed = await work.row(
            update(User)
            .where(
                User.id == proof.user_id,
                User.email == proof.email,
                User.is_active,
                User.deleted_at.is_(None),
            )
            .values(is_verified=True)
            .returning(User.id)
        )
        if confirmed is None:
            raise _bad_code()


def require_post(post: Post) -> None:
    """Raises `Unavailable` when this server sends no letters."""
    if not post.is_open:
        message = "This server sends no e-mail. Ask whoever runs it."
        raise Unavailable(message)


def _bad_code() -> DomainError:
    message = "This code is not valid, was used, or has expired. Ask for a new one."
    return InvalidInput.at("code", message, "bad_code")
