"""What every change of an account or a department asks first.

The order is always the same: what the caller can't see is not found, before anything is said about
what it may do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, exists, func, literal, select

from domain import scope
from domain.errors import Conflict, Forbidden, NotFound
from domain.identity.models import Department, Role, RolePermission, User, UserDepartment, UserRole
from domain.paging import visible
from domain.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from domain.database import Row
    from domain.work import Work

ADMINISTERING = (Permission.USER_WRITE, Permission.ROLE_ASSIGN, Permission.DEPARTMENT_WRITE)
"""What somebody at the root must always be able to do, or nobody could ever mend anything."""


async def seen_department(work: Work, reference: UUID | str) -> Row:
    """The department of an id or a code. Raises `NotFound` where it is outside the scope."""
    key = Department.id if isinstance(reference, UUID) else Department.code
    row = await work.row(
        select(Department.__table__).where(key == reference, visible(Department)), Department
    )
    if row is None:
        message = "There is no such department."
        raise NotFound(message)
    return row


async def seen_departments(work: Work, references: Iterable[UUID | str]) -> list[Row]:
    """The departments of these ids and codes, each once. Raises `NotFound` for one unseen."""
    found = [await seen_department(work, reference) for reference in dict.fromkeys(references)]
    return list({row.id: row for row in found}.values())


async def seen_roles(work: Work, names: Iterable[str]) -> list[Row]:
    """The roles of these names, each once. Raises `NotFound` for one that there is not."""
    wanted = set(names)
    found = await work.rows(
        select(Role.__table__).where(
            Role.name == func.any(literal(sorted(wanted), ARRAY(Text()))), scope.condition(Role)
        ),
        Role,
    )
    missing = wanted - {row.name for row in found}
    if missing:
        message = f"There is no role named {min(missing)!r}."
        raise NotFound(message)
    return found


async def locked_user(work: Work, user_id: UUID) -> Row:
    """An account that the caller sees, held so that changes of it come one after the other.

    Raises `NotFound`.
    """
    row = await work.row(
        select(User.id, User.is_active)
        .where(User.id == user_id, visible(User))
        .with_for_update(key_share=True),
        User,
    )
    if row is None:
        message = "There is no such user."
        raise NotFound(message)
    return row


async def departments_of(work: Work, user_id: UUID) -> list[UUID]:
    """The departments of a user that the caller sees."""
    rows = await work.rows(
        select(UserDepartment.department_id).where(
            UserDepartment.user_id == user_id, visible(UserDepartment)
        )
    )
    return [row.department_id for row in rows]


async def belongs_elsewhere(work: Work, user_id: UUID) -> bool:
    """Whether a user also belongs to a department that the caller does not see."""
    row = await work.row(select(func.belongs_elsewhere(user_id).label("elsewhere")))
    return row is not None and bool(row.elsewhere)


async def require_whole_user(work: Work, user_id: UUID, permission: Permission) -> list[UUID]:
    """Checks that the caller may do this wherever a user belongs; gives those departments.

    What is changed about an account holds everywhere, so a right over some of its departments is
    not enough. Raises `Forbidden`.
    """
    departments = await departments_of(work, user_id)
    for department_id in departments:
        work.require(permission, department_id)
    if not departments or await belongs_elsewhere(work, user_id):
        message = "This user also belongs to departments that are not yours to change."
        raise Forbidden(message)
    return departments


async def require_no_more_than_own(work: Work, role_ids: Sequence[UUID]) -> None:
    """Checks that the caller holds all that these roles allow. Raises `Forbidden`.

    Otherwise whoever may assign roles could give itself any permission.
    """
    rows = await work.rows(
        select(RolePermission.permission).where(
            RolePermission.role_id == func.any(literal(list(role_ids), ARRAY(Uuid())))
        )
    )
    beyond = sorted({row.permission for row in rows} - work.scope.permissions)
    if beyond:
        message = f"Only who holds {beyond[0]} can give or take it."
        raise Forbidden(message)


async def roles_of(work: Work, user_id: UUID) -> list[UUID]:
    """The roles that a user bears."""
    rows = await work.rows(
        select(UserRole.role_id).where(UserRole.user_id == user_id, visible(UserRole))
    )
    return [row.role_id for row in rows]


async def keep_an_administrator(work: Work, departments: Sequence[UUID]) -> None:
    """Checks, after a user of these departments lost something, that the root has an administrator.

    That is an active member who may do all of ``ADMINISTERING``. Two such changes wait for each
    other here, so they can't remove each other's last one. Raises `Conflict`.
    """
    root = await work.row(
        select(Department.id)
        .where(Department.parent_id.is_(None), visible(Department))
        .with_for_update(key_share=True)
    )
    if root is None or root.id not in departments:
        return
    holds = [
        exists().where(
            UserRole.user_id == User.id,
            RolePermission.role_id == UserRole.role_id,
            RolePermission.permission == permission,
        )
        for permission in ADMINISTERING
    ]
    remaining = await work.row(
        select(User.id)
        .join(UserDepartment, UserDepartment.user_id == User.id)
        .where(UserDepartment.department_id == root.id, User.is_active, visible(User), *holds)
        .limit(1)
    )
    if remaining is None:
        message = "This is the last active administrator of the company. Appoint another first."
        raise Conflict(message)
