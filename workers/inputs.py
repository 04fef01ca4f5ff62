"""What jobs on a dataset begin with and leave behind: its rows, and the lines that didn't parse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from domain import scope
from domain.catalog import keys
from domain.catalog.models import Dataset, DatasetStatus, Upload
from domain.ids import global_id
from domain.jobs.models import Result
from domain.permissions import Permission
from workers.runs import JobFailed

if TYPE_CHECKING:
    from pathlib import Path

    from domain.database import Row
    from domain.work import Work
    from workers.runs import Run

REJECTS = "rejects.jsonl"


@dataclass(frozen=True, slots=True)
class Input:
    """A job's dataset, its last upload, and what its last validation reported."""

    dataset: Row
    upload: Row
    report: dict[str, Any] | None


async def input_of(run: Run) -> Input:
    """Reads what a job works on, as its creator. Raises `JobFailed` when it is gone."""
    key = run.lease.dataset_id
    async with run.publishing() as work:
        work.own()
        dataset = await work.row(
            select(Dataset.__table__).where(
                Dataset.id == key, Dataset.deleted_at.is_(None), scope.condition(Dataset)
            ),
            Dataset,
        )
        upload = await work.row(
            select(Upload.__table__)
            .where(Upload.dataset_id == key, scope.condition(Upload))
            .order_by(Upload.created_at.desc())
            .limit(1),
            Upload,
        )
        report = await work.row(
            select(Result.payload)
            .where(
                Result.dataset_id == key,
                Result.result_type == "validation_report",
                scope.condition(Result),
            )
            .order_by(Result.created_at.desc(), Result.id.desc())
            .limit(1)
        )
    if dataset is None or upload is None:
        message = "The dataset was deleted, or its creator may no longer read it."
        raise JobFailed("NOT_FOUND", message)
    return Input(dataset, upload, report.payload if report else None)


async def stored_rejects(run: Run, given: Input, directory: Path) -> str | None:
    """Stores the lines that didn't parse, if there are any, and gives their key."""
    path = directory / REJECTS
    if not path.exists() or path.stat().st_size == 0:
        return None
    lease = run.lease
    key = keys.rejects(lease.department_id, given.dataset.id, lease.id, lease.attempt, lease.token)
    await run.until_stopped(run.parts.storage.upload(path, key, "application/jsonl"))
    return key


async def refuse_duplicate(work: Work, given: Input, sha256: str) -> None:
    """Raises `JobFailed` where another dataset of the department has these bytes, and names it."""
    twin = await work.row(
        select(Dataset.id, Dataset.name).where(
            Dataset.department_id == given.dataset.department_id,
            Dataset.file_hash_sha256 == sha256,
            Dataset.id != given.dataset.id,
            Dataset.deleted_at.is_(None),
            Dataset.status != DatasetStatus.FAILED,
        )
    )
    if twin is not None:
        message = (
            f"The department has this file already, as the dataset “{twin.name}” "
            f"({global_id('Dataset', twin.id)}). Use that one, or delete it and retry this job."
        )
        raise JobFailed("DUPLICATE", message, blames_file=True)


def require_publisher(work: Work, run: Run) -> None:
    """Checks that the job's creator may still have it publish: who brings data, or starts jobs.

    Raises `NotFound` and `Forbidden`.
    """
    brings = Permission.DATASET_WRITE in work.scope.permissions
    permission = Permission.DATASET_WRITE if brings else Permission.JOB_START
    work.require(permission, run.lease.department_id)
