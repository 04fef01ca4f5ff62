"""Proving a password, with the same work and the same statements whatever is wrong with it.

Finding the account, computing the hash and settling the attempt are three steps, so that no
connection is held during the slow one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Interval, func, literal, or_, select, update

from domain.identity.checks import email_key
from domain.identity.models import User
from domain.identity.passwords import verify
from domain.identity.reads import account_by_email

if TYPE_CHECKING:
    from domain.work import Work

FREE_FAILURES = 5
"""The failure that locks an account; each one after it locks for twice as long."""
FIRST_LOCK = timedelta(minutes=1)
LONGEST_LOCK = timedelta(hours=1)
DOUBLINGS = 6
"""So many doublings pass the longest lock; counting them further would overflow one day."""

NOBODY = UUID(int=0)
"""Stands for the account of an address that none has; no row bears it."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it was when looked up; ``NOBODY`` without a password if there is none."""

    email: str
    user_id: UUID
    password_hash: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password that was given for an account, and whether it is the account's."""

    account: Account
    is_right: bool


async def account_of(work: Work, email: str) -> Account:
    """Looks up the account of an address, in any form of the address."""
    key = email_key(email)
    # What can't be printed can't be an address, and some of it the database would not even take.
    row = await work.row(account_by_email(), email=key if key.isprintable() else "")
    if row is None:
        return Account(key, NOBODY, None, is_active=False)
    return Account(key, row.id, row.password_hash, is_active=row.is_active)


async def attempted(account: Account, password: str) -> Attempt:
    """Compares a password, outside every Work. Raises `Unavailable` when too many are compared."""
    return Attempt(account, await verify(password, account.password_hash))


async def proved(work: Work, attempt: Attempt) -> bool:
    """Settles an attempt: True resets the count of failures, False counts one more.

    The account is looked at again under a lock, because it may have been locked out, deactivated
    or given another password meanwhile. While it is locked out every attempt fails, and none
    counts. The Work acts for the account; a False must leave it through `Work.refuse`, or the
    count is lost.
    """
    mine = User.id == attempt.account.user_id
    counted = await work.row(
        select(User.failed_login_count).where(mine).with_for_update(key_share=True)
    )
    now = await account_of(work, attempt.account.email)
    unlocked = or_(User.locked_until.is_(None), User.locked_until <= func.clock_timestamp())
    reset = await work.row(
        update(User)
        .where(
            mine,
            literal(attempt.is_right and now == attempt.account),
            User.is_active,
            User.deleted_at.is_(None),
            unlocked,
        )
        .values(failed_login_count=0, locked_until=None)
        .returning(User.id)
    )
    if reset is not None:
        return True
    # Only a known account's failure leaves something to be flushed; not waiting for it keeps the
    # disk from telling which addresses are known. A crash forgets attempts of its last second.
    await work.row(select(func.set_config("synchronous_commit", "off", True)))  # noqa: FBT003
    failures = counted.failed_login_count + 1 if counted else 1
    await work.rows(
        update(User)
        .where(mine, unlocked)
        .values(
            failed_login_count=failures,
            locked_until=func.clock_timestamp() + literal(lock_after(failures), Interval()),
        )
    )
    return False


def lock_after(failures: int) -> timedelta | None:
    """For how long so many failures in a row lock an account; None for not at all."""
    if failures < FREE_FAILURES:
        return None
    doublings = min(failures - FREE_FAILURES, DOUBLINGS)
    return min(FIRST_LOCK * (1 << doublings), LONGEST_LOCK)
