"""Deleting datasets and workspaces: softly, with what hangs on them, and with their jobs ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, Uuid, func, literal, select, update

from domain.catalog.actions.seen import seen_dataset, seen_workspace
from domain.catalog.actions.workspaces import require_keeper
from domain.catalog.models import Dataset, Upload, UploadStatus, Workspace
from domain.errors import Conflict
from domain.jobs.actions import ACTIVE, cancel_jobs_of
from domain.jobs.models import Job, Result
from domain.lifecycle.flow import clear_incoming_now_or_later
from domain.paging import visible
from domain.permissions import Permission
from domain.statements import columns, selected

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import ColumnElement

    from domain.database import Row
    from domain.lifecycle.flow import Flow
    from domain.work import Work


async def delete_dataset(flow: Flow, dataset_id: UUID) -> None:
    """Deletes a dataset with its uploads, jobs and results, and cancels the jobs that are active.

    Whoever brought it may, and whoever has dataset:delete. Raises `NotFound` and `Forbidden`.
    """
    async with flow.work() as work:
        dataset = await seen_dataset(work, dataset_id, lock=False)
        _require_deleter(work, [dataset])
        # Workers lock a job before its dataset. What was queued until the dataset was locked is
        # cancelled then.
        await cancel_jobs_of(work, dataset.id)
        dataset = await seen_dataset(work, dataset_id)
        await cancel_jobs_of(work, dataset.id)
        unfinished = await _hide(work, dataset.department_id, [dataset.id])
    await _clear(flow, unfinished)


async def delete_workspace(flow: Flow, workspace_id: UUID) -> None:
    """Deletes a workspace with its datasets, as `delete_dataset` does each.

    Raises `NotFound`, `Forbidden` also where one of the datasets may not be deleted, and `Conflict`
    for a department's default workspace.
    """
    async with flow.work() as work:
        workspace = await seen_workspace(work, workspace_id)
        require_keeper(work, workspace)
        if workspace.is_default:
            message = "A department's default workspace can't be deleted."
            raise Conflict(message)
        inside = (
            selected(Dataset)
            .where(Dataset.workspace_id == workspace.id, visible(Dataset))
            .order_by(Dataset.id)
        )
        datasets = await work.rows(inside, Dataset)
        _require_deleter(work, datasets)
        ids = [dataset.id for dataset in datasets]
        await _cancel_jobs(work, ids)
        await work.rows(inside.with_for_update(), Dataset)
        await _cancel_jobs(work, ids)
        unfinished = await _hide(work, workspace.department_id, ids)
        await work.rows(
            update(Workspace)
            .where(Workspace.id == workspace.id, Workspace.department_id == workspace.department_id)
            .values(deleted_at=func.now())
        )
    await _clear(flow, unfinished)


def _require_deleter(work: Work, datasets: Iterable[Row]) -> None:
    for dataset in datasets:
        if dataset.uploader_id == work.user_id:
            work.require(Permission.DATASET_WRITE, dataset.department_id)
        else:
            work.require(Permission.DATASET_DELETE, dataset.department_id)


async def _cancel_jobs(work: Work, ids: Sequence[UUID]) -> None:
    busy = await work.rows(
        select(Job.dataset_id).distinct().where(Job.dataset_id == _any(ids), Job.status.in_(ACTIVE))
    )
    for dataset_id in sorted(row.dataset_id for row in busy):
        await cancel_jobs_of(work, dataset_id)


async def _hide(work: Work, department_id: UUID, ids: Sequence[UUID]) -> list[Row]:
    """Marks datasets and what hangs on them as deleted; gives the uploads that were open."""
    unfinished = await work.rows(
        update(Upload)
        .where(
            Upload.dataset_id == _any(ids),
            Upload.department_id == department_id,
            Upload.status == UploadStatus.UPLOADING,
        )
        .values(status=UploadStatus.ABORTED)
        .returning(*columns(Upload)),
        Upload,
    )
    for model in (Upload, Job, Result):
        await work.rows(
            update(model)
            .where(
                model.dataset_id == _any(ids),
                model.department_id == department_id,
                model.deleted_at.is_(None),
            )
            .values(deleted_at=func.now())
        )
    await work.rows(
        update(Dataset)
        .where(Dataset.id == _any(ids), Dataset.department_id == department_id)
        .values(deleted_at=func.now())
    )
    return unfinished


async def _clear(flow: Flow, uploads: Iterable[Row]) -> None:
    for upload in uploads:
        await clear_incoming_now_or_later(flow.storage, upload)


def _any(ids: Sequence[UUID]) -> ColumnElement[Any]:
    return func.any(literal(list(ids), ARRAY(Uuid())))
