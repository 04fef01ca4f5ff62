"""Changing what is said of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from domain.catalog import names
from domain.catalog.actions.seen import seen_dataset, seen_workspace
from domain.catalog.models import Dataset
from domain.errors import InvalidInput
from domain.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from domain.database import Row
    from domain.work import Work


async def update_dataset(work: Work, dataset_id: UUID, changes: Mapping[str, Any]) -> None:
    """Changes a dataset's name, description or workspace, those that ``changes`` holds.

    Raises `NotFound` for an unseen dataset or workspace, `Forbidden`, and `InvalidInput` for a
    workspace of another department or a text that is not fit.
    """
    workspace = None
    if "workspace_id" in changes:
        if changes["workspace_id"] is None:
            raise InvalidInput.at("workspaceId", "A dataset is always in a workspace.", "empty")
        workspace = await seen_workspace(work, changes["workspace_id"], stays=True)
    dataset = await seen_dataset(work, dataset_id)
    work.require(Permission.DATASET_WRITE, dataset.department_id)
    values = names.texts(changes)
    if workspace is not None:
        if workspace.department_id != dataset.department_id:
            message = "A dataset stays in its department: choose one of its workspaces."
            raise InvalidInput.at("workspaceId", message, "other_department")
        values["workspace_id"] = workspace.id
    if values:
        await change_dataset(work, dataset, values)


async def change_dataset(work: Work, dataset: Row, values: Mapping[str, object]) -> None:
    """Changes columns of a dataset that the caller was allowed to change."""
    await work.rows(
        update(Dataset)
        .where(Dataset.id == dataset.id, Dataset.department_id == dataset.department_id)
        .values(dict(values))
    )
