"""Rows of the catalog as an action finds them: those that its caller sees, else `NotFound`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, or_, select

from domain.catalog.models import Dataset, Upload, Workspace
from domain.errors import InvalidInput, NotFound
from domain.identity.models import Department
from domain.paging import visible
from domain.scope import narrowed
from domain.statements import selected

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Row
    from domain.work import Work


async def seen_workspace(work: Work, workspace_id: UUID, *, stays: bool = False) -> Row:
    """The workspace. ``stays`` keeps it from being deleted until the work ends, else it is locked.

    Raises `NotFound`.
    """
    statement = selected(Workspace).where(Workspace.id == workspace_id, visible(Workspace))
    row = await work.row(statement.with_for_update(read=stays), Workspace)
    if row is None:
        message = "There is no such workspace."
        raise NotFound(message)
    return row


async def seen_dataset(work: Work, dataset_id: UUID, *, lock: bool = True) -> Row:
    """The dataset, locked. Raises `NotFound`.

    Whoever locks several rows does it in this order, so that nobody waits in a ring: workspace,
    jobs, dataset, uploads.
    """
    statement = selected(Dataset).where(Dataset.id == dataset_id, visible(Dataset))
    row = await work.row(statement.with_for_update() if lock else statement, Dataset)
    if row is None:
        message = "There is no such dataset."
        raise NotFound(message)
    return row


async def seen_upload(work: Work, upload_id: UUID, *, lock: bool = False) -> Row:
    """The upload, and as ``expired`` whether its time is up. Raises `NotFound`."""
    statement = (
        selected(Upload)
        .add_columns((Upload.expires_at <= func.now()).label("expired"))
        .where(Upload.id == upload_id, visible(Upload))
    )
    row = await work.row(statement.with_for_update() if lock else statement, Upload)
    if row is None:
        message = "There is no such upload."
        raise NotFound(message)
    return row


async def seen_department(work: Work, named: str | None) -> Row:
    """The department of that code or id; without one, the one that the request can only mean.

    That is the department which the request is narrowed to, or the only one that the caller sees.
    Raises `NotFound`, and `InvalidInput` where several could be meant or it names none.
    """
    if named is None and work.identity is not None:
        named = work.identity.narrow
    wanted: list[ColumnElement[bool]] = []
    if narrowed(named) is not None:
        wanted.append(or_(Department.code == named, func.text(Department.id) == named))
    rows = await work.rows(
        select(Department.id, Department.code, Department.name)
        .where(visible(Department), *wanted)
        .order_by(Department.code)
        .limit(20),
        Department,
    )
    if len(rows) == 1:
        return rows[0]
    if not rows:
        message = "There is no such department."
        raise NotFound(message)
    codes = ", ".join(row.code for row in rows)
    message = f"You see several departments. Name one of them: {codes}."
    raise InvalidInput.at("department", message, "ambiguous")
