"""Making and changing workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Uuid, literal, select, text, true, update
from sqlalchemy.dialects.postgresql import insert

from domain.catalog import names
from domain.catalog.actions.seen import seen_department, seen_workspace
from domain.catalog.models import Workspace
from domain.identity.models import Department
from domain.permissions import Permission
from domain.statements import selected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from domain.database import Row
    from domain.work import Work


async def create_workspace(
    work: Work,
    name: str,
    *,
    description: str | None = None,
    department: str | None = None,
    idempotency_key: str | None = None,
) -> UUID:
    """Makes a workspace that the caller owns, and gives its id.

    ``department`` is a code or id. Raises `NotFound` for an unseen department, `InvalidInput` where
    several could be meant or a text is not fit, `Forbidden`.
    """
    values = {
        "name": names.named(name, "name"),
        "description": names.described(description, "description"),
    }
    place = await seen_department(work, department)
    work.require(Permission.WORKSPACE_WRITE, place.id)
    given = {"name": name, "description": description, "department": department}
    before = await work.once("createWorkspace", idempotency_key, given)
    if before is not None:
        return before
    workspace_id = await work.new_id()
    await work.rows(
        insert(Workspace).values(
            **values, id=workspace_id, department_id=place.id, owner_id=work.user_id
        )
    )
    await work.made(idempotency_key, workspace_id)
    return workspace_id


async def update_workspace(work: Work, workspace_id: UUID, changes: Mapping[str, Any]) -> None:
    """Changes a workspace's name or description, those that ``changes`` holds.

    Raises `NotFound`, `Forbidden` where it is another's and the caller manages none, and
    `InvalidInput`.
    """
    workspace = await seen_workspace(work, workspace_id)
    require_keeper(work, workspace)
    values = names.texts(changes)
    if values:
        await work.rows(
            update(Workspace)
            .where(Workspace.id == workspace.id, Workspace.department_id == workspace.department_id)
            .values(values)
        )


async def default_workspace(work: Work, department_id: UUID) -> Row:
    """The default workspace of a department, which the caller comes to own if it is missing."""
    default = (
        selected(Workspace)
        .where(Workspace.department_id == department_id, Workspace.is_default)
        .with_for_update(read=True)
    )
    row = await work.row(default, Workspace)
    if row is None:
        named_alike = select(
            Department.id, Department.name, literal(work.user_id, Uuid()), true()
        ).where(Department.id == department_id)
        await work.rows(
            insert(Workspace)
            .from_select(["department_id", "name", "owner_id", "is_default"], named_alike)
            .on_conflict_do_nothing(
                index_elements=["department_id"], index_where=text("is_default")
            )
        )
        row = await work.row(default, Workspace)
    assert row is not None  # noqa: S101 (it was there, or was just made, here or by a twin)
    return row


def require_keeper(work: Work, workspace: Row) -> None:
    """Lets a workspace's owner through, and whoever manages the workspaces of its department."""
    if workspace.owner_id == work.user_id:
        work.require(Permission.WORKSPACE_WRITE, workspace.department_id)
    else:
        work.require(Permission.WORKSPACE_MANAGE, workspace.department_id)
