"""Making, changing and moving departments.

A move changes who sees the department, so it needs the right to write at three places: at the
department, at the one that loses it and at the one that gains it. The root never moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from domain.errors import Conflict, Duplicate, Forbidden, InvalidInput, NotFound
from domain.identity.actions.rules import seen_department
from domain.identity.checks import checked_code, checked_description, checked_name
from domain.identity.models import Department, User
from domain.paging import visible
from domain.permissions import Permission

if TYPE_CHECKING:
    from domain.database import Row
    from domain.work import Work

MOST_RUNNING_JOBS = 1000


@dataclass(frozen=True, slots=True)
class NewDepartment:
    """A department to make below ``parent``, which is an id or a code."""

    code: str
    name: str
    parent: UUID | str
    description: str | None = None
    manager_id: UUID | None = None
    max_running_jobs: int | None = None
    """How many jobs may run in it at once; None leaves it to the default of 4."""


class DepartmentChanges(TypedDict, total=False):
    """What to change about a department; what is left out stays as it is."""

    name: str
    description: str | None
    manager_id: UUID | None
    max_running_jobs: int


async def create_department(
    work: Work, new: NewDepartment, *, idempotency_key: str | None = None
) -> UUID:
    """Makes a department, with its default workspace, and gives its id.

    Raises `NotFound` for an unseen parent or manager, `Forbidden` without department:write at the
    parent, `InvalidInput` for what breaks a rule, and `Duplicate` for a code that is taken.
    """
    parent = await seen_department(work, new.parent)
    work.require(Permission.DEPARTMENT_WRITE, parent.id)
    values: dict[str, object] = {
        "code": checked_code(new.code),
        "parent_id": parent.id,
        **await _checked(
            work,
            name=new.name,
            description=new.description,
            manager_id=new.manager_id,
        ),
    }
    if new.max_running_jobs is not None:
        values |= await _checked(work, max_running_jobs=new.max_running_jobs)
    before = await work.once("createDepartment", idempotency_key, values)
    if before is not None:
        return before
    department_id = await work.new_id()
    # Its default workspace, which a trigger inserts, belongs to a department that nobody saw yet.
    await work.widen(department_id)
    await work.rows(insert(Department).values(id=department_id, **values).on_conflict_do_nothing())
    if await work.row(select(Department.id).where(Department.id == department_id)) is None:
        message = f"The code {new.code!r} is taken by another department."
        raise Duplicate(message)
    await work.made(idempotency_key, department_id)
    work.access_changed()
    return department_id


async def update_department(work: Work, reference: UUID | str, changes: DepartmentChanges) -> UUID:
    """Changes a department, named by id or code, and gives its id.

    Raises `NotFound` for an unseen department or manager, `Forbidden` without department:write
    there, and `InvalidInput` for what breaks a rule.
    """
    department = await seen_department(work, reference)
    work.require(Permission.DEPARTMENT_WRITE, department.id)
    values = await _checked(work, **changes)
    if values:
        await work.rows(
            update(Department)
            .where(Department.id == department.id, visible(Department))
            .values(**values)
        )
    return _id(department)


async def move_department(work: Work, reference: UUID | str, parent_reference: UUID | str) -> UUID:
    """Puts a department, with all below it, below another one, and gives its id.

    Raises `NotFound` for an unseen department or parent, `Forbidden` without department:write at
    the department, its old and its new parent, and `Conflict` for the root and for a parent that
    lies below the department.
    """
    department = await seen_department(work, reference)
    parent = await seen_department(work, parent_reference)
    work.require(Permission.DEPARTMENT_WRITE, department.id)
    work.require(Permission.DEPARTMENT_WRITE, parent.id)
    if department.parent_id is None:
        message = "The root of all departments can't be moved."
        raise Conflict(message)
    if department.parent_id not in work.scope.departments:
        message = "Only who also sees the department above this one can move it."
        raise Forbidden(message)
    await work.rows(
        update(Department)
        .where(Department.id == department.id, visible(Department))
        .values(parent_id=parent.id)
    )
    work.access_changed()
    return _id(department)


def _id(row: Row) -> UUID:
    key: UUID = row.id
    return key


async def _checked(work: Work, **changes: object) -> dict[str, object]:
    values = dict(changes)
    if "name" in values:
        values["name"] = checked_name(str(values["name"]), "name")
    description = values.get("description")
    if description is not None:
        values["description"] = checked_description(str(description))
    limit = values.get("max_running_jobs")
    if isinstance(limit, int) and not 1 <= limit <= MOST_RUNNING_JOBS:
        message = f"Between 1 and {MOST_RUNNING_JOBS} jobs may run at once."
        raise InvalidInput.at("maxRunningJobs", message)
    manager_id = values.get("manager_id")
    if isinstance(manager_id, UUID):
        await _require_seen_user(work, manager_id)
    return values


async def _require_seen_user(work: Work, user_id: UUID) -> None:
    seen = await work.row(select(User.id).where(User.id == user_id, visible(User)))
    if seen is None:
        message = "There is no such user."
        raise NotFound(message)
