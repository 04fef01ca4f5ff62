"""API tokens: what a person lets a machine do in its name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from domain.database import Row
from domain.errors import Forbidden, InvalidInput, LimitExceeded, NotFound
from domain.identity.actions.rules import seen_departments
from domain.identity.checks import checked_name
from domain.identity.models import ApiToken, User
from domain.identity.tokens import new_api_token
from domain.permissions import Permission
from domain.statements import Statement

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Database, Hold
    from domain.scope import TokenKey
    from domain.work import Work

LONGEST_LIFE = timedelta(days=366)
MOST_TOKENS = 50
"""How many of one person's tokens may hold at a time."""

NOTE = Statement("select note_token_use($1, $2)", ("token", "hash"), {}, Row)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to make. Departments are ids or codes; none means all that the caller sees now."""

    name: str
    permissions: tuple[str, ...]
    departments: tuple[UUID | str, ...]
    expires_at: datetime


async def create_api_token(work: Work, new: NewToken) -> tuple[UUID, str]:
    """Makes a token of the caller's, and gives its id and its text, which is never shown again.

    Raises `InvalidInput` for what breaks a rule, `NotFound` for an unseen department, `Forbidden`
    for a permission beyond the caller's own, `LimitExceeded` when there are too many.
    """
    work.own()
    name = checked_name(new.name, "name")
    permissions = _checked_permissions(work, new.permissions)
    now = datetime.now(UTC)
    if new.expires_at.tzinfo is None or not now < new.expires_at <= now + LONGEST_LIFE:
        message = f"A token expires in the future, within {LONGEST_LIFE.days} days."
        raise InvalidInput.at("expiresAt", message)
    if not new.departments:
        raise InvalidInput.at("departments", "A token reaches one department at least.")
    departments = await seen_departments(work, new.departments)
    # Held so that tokens of one person are counted one after the other.
    await work.rows(select(User.id).where(User.id == work.user_id).with_for_update(key_share=True))
    held = await work.row(
        select(func.count().label("held")).where(
            ApiToken.user_id == work.user_id,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > func.now(),
        )
    )
    if held is not None and held.held >= MOST_TOKENS:
        message = f"Nobody holds more than {MOST_TOKENS} tokens. Revoke one first."
        raise LimitExceeded(message)
    token_id = await work.new_id()
    text, key = new_api_token(work.user_id, token_id)
    await work.rows(
        insert(ApiToken).values(
            id=token_id,
            user_id=work.user_id,
            name=name,
            token_hash=key.digest,
            permissions=permissions,
            department_ids=[row.id for row in departments],
            expires_at=new.expires_at,
        )
    )
    return token_id, text


async def revoke_api_token(work: Work, token_id: UUID) -> None:
    """Ends a token of the caller's; it is refused from the next request on.

    Revoking it again changes nothing. Raises `NotFound`.
    """
    work.own()
    mine = (ApiToken.id == token_id, ApiToken.user_id == work.user_id)
    if await work.row(select(ApiToken.id).where(*mine)) is None:
        message = "There is no such API token."
        raise NotFound(message)
    await work.rows(
        update(ApiToken).where(*mine, ApiToken.revoked_at.is_(None)).values(revoked_at=func.now())
    )
    work.access_changed()


async def note_use(database: Database, hold: Hold, key: TokenKey) -> None:
    """Notes that a token was used, unless that was noted within the last minute."""
    async with database.transaction("begin", hold) as (connection, _):
        await connection.fetch(NOTE.text, key.id, key.digest)


def _checked_permissions(work: Work, given: tuple[str, ...]) -> list[str]:
    wanted = sorted(set(given))
    unknown = [name for name in wanted if name not in list(Permission)]
    if unknown or not wanted:
        message = "A token holds one permission at least, each of those that there are."
        raise InvalidInput.at("permissions", message)
    beyond = [name for name in wanted if name not in work.scope.permissions]
    if beyond:
        message = f"Only who holds {beyond[0]} can let a token hold it."
        raise Forbidden(message)
    return wanted
