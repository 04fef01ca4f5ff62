"""Making accounts, and opening, closing and changing them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from domain.errors import Duplicate, Forbidden, InvalidInput
from domain.identity.actions.proof import account_of, attempted, proved
from domain.identity.actions.rules import (
    keep_an_administrator,
    locked_user,
    require_no_more_than_own,
    require_whole_user,
    seen_departments,
    seen_roles,
)
from domain.identity.actions.sessions import revoke_other_sessions
from domain.identity.attempts import return_attempt, take_attempt
from domain.identity.checks import checked_email, checked_name
from domain.identity.models import User, UserDepartment, UserRole
from domain.identity.passwords import check_password, hash_password
from domain.identity.reads import actor_names
from domain.paging import visible
from domain.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from domain.database import Row
    from domain.identity.tokens import Tokens
    from domain.work import Work

Works: TypeAlias = "Callable[[], AbstractAsyncContextManager[Work]]"
"""Opens a Work of the caller; for actions that need two, with something slow between them."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """An account to make. Departments are ids or codes, roles are names.

    Without a password nobody can sign in to it with one.
    """

    email: str
    full_name: str
    departments: tuple[UUID | str, ...]
    roles: tuple[str, ...] = ()
    password: str | None = None


async def create_user(
    works: Works, tokens: Tokens, new: NewUser, *, idempotency_key: str | None = None
) -> UUID:
    """Makes an account with its memberships and roles, and gives its id.

    Raises `NotFound` for an unseen department or unknown role, `Forbidden` without user:write (and
    role:assign, where roles are given) there or for a role beyond the caller's own permissions,
    `InvalidInput` for what breaks a rule, `Duplicate` for an address that an account has already.
    """
    email, full_name = checked_email(new.email), checked_name(new.full_name, "fullName")
    if not new.departments:
        raise InvalidInput.at("departments", "A user belongs to one department at least.")
    password_hash = None
    if new.password is not None:
        check_password(new.password)
        async with works() as work:
            # Asked before the slow work too, so that nobody can order it who may not.
            await _require_may_create(work, new)
        password_hash = await hash_password(new.password)
    async with works() as work:
        departments, roles = await _require_may_create(work, new)
        given = {
            "email": email,
            "fullName": full_name,
            "departments": sorted(row.id for row in departments),
            "roles": sorted(row.name for row in roles),
            "password": tokens.fingerprint(new.password) if new.password is not None else None,
        }
        before = await work.once("createUser", idempotency_key, given)
        if before is not None:
            return before
        user_id = await work.new_id()
        await work.rows(
            insert(User)
            .values(
                id=user_id,
                email=email,
                full_name=full_name,
                password_hash=password_hash,
                password_changed_at=func.now() if password_hash else None,
            )
            .on_conflict_do_nothing()
        )
        # The row is not visible before it has a membership; only its name can be asked for.
        if await work.row(actor_names(), keys=[user_id]) is None:
            message = "An account with this e-mail address exists already."
            raise Duplicate(message)
        await _add_all(work, user_id, departments, roles)
        await work.made(idempotency_key, user_id)
    return user_id


async def deactivate_user(work: Work, user_id: UUID) -> None:
    """Closes an account: it can't sign in, and its sessions end at once.

    Closing a closed one changes nothing. Raises `NotFound`, `Forbidden` without user:write in all
    departments of the user and for one's own account, and `Conflict` for the last administrator.
    """
    user = await locked_user(work, user_id)
    departments = await require_whole_user(work, user_id, Permission.USER_WRITE)
    if user_id == work.user_id:
        message = "Nobody can deactivate their own account. Ask another administrator."
        raise Forbidden(message)
    if user.is_active:
        await _set(work, user_id, is_active=False)
        work.access_changed()
        await keep_an_administrator(work, departments)


async def activate_user(work: Work, user_id: UUID) -> None:
    """Opens an account again; sessions that ended stay ended.

    Opening an open one changes nothing. Raises `NotFound`, and `Forbidden` without user:write in
    all departments of the user.
    """
    user = await locked_user(work, user_id)
    await require_whole_user(work, user_id, Permission.USER_WRITE)
    if not user.is_active:
        await _set(work, user_id, is_active=True)


async def update_profile(work: Work, full_name: str) -> None:
    """Changes the caller's own name. Raises `InvalidInput`."""
    work.own()
    await _set(work, work.user_id, full_name=checked_name(full_name, "fullName"))


async def change_password(
    works: Works, tokens: Tokens, old: str, new: str, address: str | None = None
) -> None:
    """Changes the caller's own password, and ends its other sessions.

    A wrong old password counts as a failed sign-in. Raises `InvalidInput` for it and for a new
    password that breaks a rule, `RateLimited` when there were too many wrong ones, `Unavailable`
    when too many passwords are being checked.
    """
    check_password(new, "newPassword")
    if new == old:
        raise InvalidInput.at("newPassword", "The new password is the old one. Choose another.")
    async with works() as work:
        work.own()
        me = await work.row(select(User.email).where(User.id == work.user_id))
        account = await account_of(work, me.email if me else "")
        taken = await take_attempt(work, tokens, account.email, address)
    attempt = await attempted(account, old)
    password_hash = await hash_password(new, "newPassword") if attempt.is_right else None
    async with works() as work:
        work.own()
        if not await proved(work, attempt):
            message = "This is not your password, or the account is locked for a while."
            work.refuse(InvalidInput.at("oldPassword", message, "wrong_password"))
        await return_attempt(work, taken)
        await _set(work, work.user_id, password_hash=password_hash, password_changed_at=func.now())
        session_id = work.identity.session_id if work.identity else None
        await revoke_other_sessions(work, session_id)


async def _require_may_create(work: Work, new: NewUser) -> tuple[list[Row], list[Row]]:
    departments = await seen_departments(work, new.departments)
    roles = await seen_roles(work, new.roles)
    for department in departments:
        work.require(Permission.USER_WRITE, department.id)
        if roles:
            work.require(Permission.ROLE_ASSIGN, department.id)
    await require_no_more_than_own(work, [role.id for role in roles])
    return departments, roles


async def _add_all(work: Work, user_id: UUID, departments: list[Row], roles: list[Row]) -> None:
    for department in departments:
        await work.rows(
            insert(UserDepartment).values(
                user_id=user_id, department_id=department.id, assigned_by=work.user_id
            )
        )
    for role in roles:
        await work.rows(
            insert(UserRole).values(user_id=user_id, role_id=role.id, assigned_by=work.user_id)
        )


async def _set(work: Work, user_id: UUID, **values: object) -> None:
    await work.rows(update(User).where(User.id == user_id, visible(User)).values(**values))
