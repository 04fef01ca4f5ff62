"""Signing in by an identity provider: accounts are found by issuer and subject, never by address.

The provider's answer reaches the browser as an address, so it carries no tokens: it carries a code
that works once, within a minute, for the page that began (it alone knows the verifier whose
challenge it named), and in the case of a link for the account that began it.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from domain.database import Row
from domain.errors import Conflict, DomainError, FieldError, Forbidden, InvalidInput, NotFound
from domain.identity.actions.sessions import SignedIn, first_tokens, open_session
from domain.identity.checks import checked_email, checked_name
from domain.identity.codes import Proof, issue_code, take_code
from domain.identity.models import CodePurpose, User, UserIdentity
from domain.identity.tokens import challenge_of
from domain.statements import Statement
from domain.work import working

if TYPE_CHECKING:
    from uuid import UUID

    from domain.bell import Bell
    from domain.database import Database
    from domain.identity.oidc import Subject
    from domain.identity.tokens import Tokens
    from domain.scope import Origin
    from domain.settings import OidcProvider
    from domain.work import Work

CODE_LIFE = timedelta(minutes=1)

LOOKUP = Statement("select * from identity_lookup($1, $2)", ("issuer", "subject"), {}, Row)
PROVISION = Statement(
    "select provision_user($1, $2, $3, $4, $5, $6) as id",
    ("issuer", "subject", "email", "full_name", "department", "role"),
    {},
    Row,
)


async def arrived(
    database: Database, bell: Bell, subject: Subject, challenge: str, user_id: UUID | None
) -> str:
    """Gives the code with which the page that began goes on; ``user_id`` is whose link it is."""
    proof = Proof(
        user_id,
        subject.issuer,
        subject.subject,
        # What would not fit into an account is as good as unsaid.
        subject.email if subject.email and len(subject.email) <= 255 else None,  # noqa: PLR2004
        subject.name[:255] if subject.name else None,
        challenge,
    )
    purpose = CodePurpose.LINK if user_id else CodePurpose.SIGN_IN
    async with working(database, None, bell) as work:
        work.public()
        return await issue_code(work, purpose, CODE_LIFE, proof)


async def complete_sign_in(
    database: Database,
    bell: Bell,
    tokens: Tokens,
    providers: tuple[OidcProvider, ...],
    code: str,
    verifier: str,
    origin: Origin,
) -> SignedIn:
    """Starts a session for whoever signed in at a provider.

    Raises `InvalidInput` for a code that does not hold, and `Forbidden` (``unknown_identity``) for
    somebody who has no account where the settings make none, or whose account is closed.
    """
    origin = replace(origin, reason="completeSignIn")
    async with working(database, None, bell, origin=origin) as work:
        work.public()
        proof = await _taken(work, CodePurpose.SIGN_IN, code, verifier)
        found = await work.row(LOOKUP, issuer=proof.issuer, subject=proof.subject)
        if found is None:
            user_id = await _provisioned(work, providers, proof)
        elif found.is_active:
            user_id = found.user_id
        else:
            work.refuse(_unknown())
        await work.become(user_id)
        await work.rows(update(User).where(User.id == user_id).values(last_login_at=func.now()))
        opened = await open_session(work, user_id, tokens.refresh_life, origin)
    return first_tokens(tokens, user_id, *opened)


async def complete_link(work: Work, code: str, verifier: str) -> None:
    """Adds an account at a provider to those that open the caller's own account.

    Raises `InvalidInput` for a code that does not hold or was begun by another account, and
    `Conflict` where it opens another account already.
    """
    work.own()
    proof = await _taken(work, CodePurpose.LINK, code, verifier)
    if proof.user_id != work.user_id:
        work.refuse(_bad_code())
    added = await work.row(
        insert(UserIdentity)
        .values(user_id=work.user_id, issuer=proof.issuer, subject=proof.subject)
        .on_conflict_do_nothing()
        .returning(UserIdentity.id)
    )
    if added is None:
        message = "This sign-in is linked already, to this account or to another one."
        work.refuse(Conflict(message))


async def unlink_identity(work: Work, identity_id: UUID) -> None:
    """Takes one of its accounts at providers from the caller.

    Raises `NotFound`, and `Conflict` for the only way in of an account that has no password.
    """
    work.own()
    me = await work.row(
        select(User.password_changed_at).where(User.id == work.user_id).with_for_update()
    )
    mine = await work.rows(select(UserIdentity.id).where(UserIdentity.user_id == work.user_id))
    if identity_id not in {row.id for row in mine}:
        message = "There is no such linked sign-in."
        raise NotFound(message)
    if len(mine) == 1 and (me is None or me.password_changed_at is None):
        message = "This is the only way into the account. Set a password or link another first."
        raise Conflict(message)
    await work.rows(
        delete(UserIdentity).where(
            UserIdentity.id == identity_id, UserIdentity.user_id == work.user_id
        )
    )


async def _taken(work: Work, purpose: CodePurpose, code: str, verifier: str) -> Proof:
    proof = await take_code(work, purpose, code)
    challenge = challenge_of(verifier)
    if proof is None or not hmac.compare_digest(proof.challenge or "", challenge):
        # A code that somebody else tried is used up all the same.
        work.refuse(_bad_code())
    return proof


async def _provisioned(work: Work, providers: tuple[OidcProvider, ...], proof: Proof) -> UUID:
    provider = next((p for p in providers if p.issuer == proof.issuer), None)
    if provider is None or provider.provision_department is None:
        work.refuse(_unknown())
    if proof.email is None:
        message = "The identity provider vouches for no e-mail address, which an account needs."
        work.refuse(Forbidden(message, fields=(FieldError(("code",), "no_email", message),)))
    email = checked_email(proof.email)
    row = await work.row(
        PROVISION,
        issuer=proof.issuer,
        subject=proof.subject,
        email=email,
        full_name=checked_name(proof.full_name or email, "code"),
        department=provider.provision_department,
        role=provider.provision_role,
    )
    assert row is not None  # noqa: S101 (the function gives an id or raises)
    user_id: UUID = row.id
    return user_id


def _bad_code() -> DomainError:
    message = "This sign-in was not begun here, was used, or took too long: begin again."
    return InvalidInput.at("code", message, "bad_code")


def _unknown() -> DomainError:
    message = (
        "No active account here belongs to this sign-in. Ask whoever manages accounts for one, "
        "sign in to it and link this sign-in to it."
    )
    return Forbidden(message, fields=(FieldError(("code",), "unknown_identity", message),))
