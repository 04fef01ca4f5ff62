"""Roles and departments of a user: what it may do, and where.

Each of these says what shall be so: saying it again changes nothing and is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from domain.errors import Conflict
from domain.identity.actions.rules import (
    belongs_elsewhere,
    departments_of,
    keep_an_administrator,
    locked_user,
    require_no_more_than_own,
    require_whole_user,
    roles_of,
    seen_department,
    seen_roles,
)
from domain.identity.models import UserDepartment, UserRole
from domain.permissions import Permission

if TYPE_CHECKING:
    from uuid import UUID

    from domain.work import Work


async def assign_role(work: Work, user_id: UUID, role_name: str) -> None:
    """Gives a user a role, which holds in all its departments.

    Raises `NotFound` for an unseen user or unknown role, and `Forbidden` without role:assign in all
    departments of the user or for a role that allows more than the caller may do.
    """
    await locked_user(work, user_id)
    (role,) = await seen_roles(work, [role_name])
    await require_whole_user(work, user_id, Permission.ROLE_ASSIGN)
    await require_no_more_than_own(work, [role.id])
    await work.rows(
        insert(UserRole)
        .values(user_id=user_id, role_id=role.id, assigned_by=work.user_id)
        .on_conflict_do_nothing()
    )
    work.access_changed()


async def revoke_role(work: Work, user_id: UUID, role_name: str) -> None:
    """Takes a role from a user.

    Raises as `assign_role`, and `Conflict` where that leaves the company without administrator.
    """
    await locked_user(work, user_id)
    (role,) = await seen_roles(work, [role_name])
    departments = await require_whole_user(work, user_id, Permission.ROLE_ASSIGN)
    await require_no_more_than_own(work, [role.id])
    await work.rows(
        delete(UserRole).where(UserRole.user_id == user_id, UserRole.role_id == role.id)
    )
    work.access_changed()
    await keep_an_administrator(work, departments)


async def assign_department(work: Work, user_id: UUID, reference: UUID | str) -> None:
    """Makes a user a member of a department, where its roles will hold too.

    Raises `NotFound` for an unseen user or department, and `Forbidden` without user:write there or
    where the user's roles allow more than the caller may do.
    """
    await locked_user(work, user_id)
    department = await seen_department(work, reference)
    work.require(Permission.USER_WRITE, department.id)
    await require_no_more_than_own(work, await roles_of(work, user_id))
    await work.rows(
        insert(UserDepartment)
        .values(user_id=user_id, department_id=department.id, assigned_by=work.user_id)
        .on_conflict_do_nothing()
    )
    work.access_changed()


async def remove_department(work: Work, user_id: UUID, reference: UUID | str) -> None:
    """Ends a user's membership of a department.

    Raises `NotFound` for an unseen user or department, `Forbidden` without user:write there, and
    `Conflict` for the user's only department or the company's last administrator.
    """
    await locked_user(work, user_id)
    department = await seen_department(work, reference)
    work.require(Permission.USER_WRITE, department.id)
    departments = await departments_of(work, user_id)
    if department.id not in departments:
        return
    if len(departments) == 1 and not await belongs_elsewhere(work, user_id):
        message = "This is the user's only department. Assign another first, or deactivate it."
        raise Conflict(message)
    await work.rows(
        delete(UserDepartment).where(
            UserDepartment.user_id == user_id, UserDepartment.department_id == department.id
        )
    )
    work.access_changed()
    await keep_an_administrator(work, departments)
