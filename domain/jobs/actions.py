"""Starting, cancelling and retrying jobs. What a worker does to them is in ``protocol``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from domain import scope
from domain.catalog.models import Dataset, DatasetStatus
from domain.errors import Conflict, InvalidInput, NotFound
from domain.jobs.insights import check_insight_params
from domain.jobs.models import FINAL, EventKind, Job, JobStatus, JobType
from domain.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from domain.database import Row
    from domain.work import Work

STARTABLE = frozenset({JobType.VALIDATION, JobType.ETL, JobType.ML_INFERENCE})
"""The types that a caller can start on a dataset."""

CHANGING = frozenset({JobType.VALIDATION, JobType.SCHEMA_DEDUCTION, JobType.ETL})
"""The types that change their dataset: one of them at a time."""

ACTIVE = (JobStatus.QUEUED, JobStatus.PROCESSING)


async def start_job(
    work: Work,
    dataset_id: UUID,
    job_type: JobType,
    *,
    params: Mapping[str, Any] | None = None,
    priority: int = 5,
    idempotency_key: str | None = None,
) -> UUID:
    """Starts a job on a dataset and gives its id.

    Raises `NotFound` for an unseen dataset, `InvalidInput` for a type that can't be started, a
    priority outside 1 to 10 or wrong params, `Conflict` where the dataset is not ready or is being
    changed.
    """
    if job_type not in STARTABLE:
        types = ", ".join(sorted(STARTABLE))
        raise InvalidInput.at("jobType", f"Only {types} can be started on a dataset.")
    _check_priority(priority)
    dataset = await _locked_dataset(work, dataset_id)
    work.require(Permission.JOB_START, dataset.department_id)
    given = {
        "datasetId": dataset_id,
        "jobType": job_type,
        "params": params,
        "priority": priority,
    }
    before = await work.once("startJob", idempotency_key, given)
    if before is not None:
        return before
    job_id = await _started(work, dataset, job_type, params or {}, priority)
    await work.made(idempotency_key, job_id)
    return job_id


async def retry_job(work: Work, job_id: UUID, *, idempotency_key: str | None = None) -> UUID:
    """Makes a new job like one that failed or was cancelled, and gives the new id.

    Raises `NotFound` for an unseen job and `Conflict` for one that still runs or succeeded.
    """
    job = await _seen_job(work, job_id)
    work.require(Permission.JOB_START, job.department_id)
    before = await work.once("retryJob", idempotency_key, {"jobId": job_id})
    if before is not None:
        return before
    if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
        message = f"This job is {job.status}. Only a failed or cancelled job can be retried."
        raise Conflict(message)
    dataset = await _locked_dataset(work, job.dataset_id)
    again = await _started(
        work, dataset, JobType(job.job_type), job.params, job.priority, retry_of_id=job.id
    )
    await work.made(idempotency_key, again)
    return again


async def cancel_job(work: Work, job_id: UUID) -> None:
    """Cancels a job that waits at once, and asks the worker of a running one to stop.

    Raises `NotFound` for an unseen job and `Conflict` for one that has ended.
    """
    job = await _seen_job(work, job_id, lock=True)
    work.require(Permission.JOB_CANCEL, job.department_id)
    if job.status in FINAL:
        message = f"This job has ended already: it is {job.status}."
        raise Conflict(message)
    await _cancel(work, job)


async def cancel_jobs_of(work: Work, dataset_id: UUID) -> None:
    """Cancels all active jobs of a dataset, whose deletion the caller is allowed."""
    jobs = await work.rows(
        select(Job.__table__)
        .where(Job.dataset_id == dataset_id, Job.status.in_(ACTIVE), scope.condition(Job))
        .order_by(Job.id)
        .with_for_update(),
        Job,
    )
    for job in jobs:
        await _cancel(work, job)


async def queue_job(
    work: Work,
    dataset: Row,
    job_type: JobType,
    *,
    params: Mapping[str, Any] | None = None,
    priority: int = 5,
    retry_of_id: UUID | None = None,
) -> Row | None:
    """Inserts a job with its first event and has the bell rung; the caller checked permission.

    ``dataset`` needs ``id`` and ``department_id``. Gives None where one of the same type is active.
    """
    message_id = uuid4().hex
    statement = (
        insert(Job)
        .values(
            department_id=dataset.department_id,
            dataset_id=dataset.id,
            job_type=job_type,
            params=dict(params or {}),
            priority=priority,
            created_by=work.user_id,
            retry_of_id=retry_of_id,
            queue_message_id=message_id,
        )
        .on_conflict_do_nothing()
        .returning(*Job.__table__.columns)
    )
    job = await work.row(statement, Job)
    if job is not None:
        work.event(job, EventKind.STATUS, status=JobStatus.QUEUED, progress=0, message="Queued.")
        work.ring(message_id)
    return job


async def _started(
    work: Work,
    dataset: Row,
    job_type: JobType,
    params: Mapping[str, Any],
    priority: int,
    *,
    retry_of_id: UUID | None = None,
) -> UUID:
    if dataset.status == DatasetStatus.UPLOADING:
        message = "The dataset's upload is not complete. Complete it first."
        raise Conflict(message)
    if job_type is JobType.ETL and dataset.column_names is None:
        message = "The dataset was never validated. Start a validation first."
        raise Conflict(message)
    if job_type is JobType.ML_INFERENCE:
        if dataset.s3_key_processed is None:
            message = "The dataset was never cleaned. Start an etl first."
            raise Conflict(message)
        check_insight_params(params, dataset.column_names or ())
    active = await work.row(
        select(Job.job_type).where(
            Job.dataset_id == dataset.id,
            Job.department_id == dataset.department_id,
            Job.status.in_(ACTIVE),
            Job.job_type.in_(CHANGING),
        )
    )
    job = None
    if active is None:
        job = await queue_job(
            work, dataset, job_type, params=params, priority=priority, retry_of_id=retry_of_id
        )
    if job is None:
        message = "Another job is changing this dataset. Wait for it, or cancel it."
        raise Conflict(message)
    job_id: UUID = job.id
    return job_id


async def _locked_dataset(work: Work, dataset_id: UUID | None) -> Row:
    # The lock makes "is another job changing it?" and the insert of a job one step.
    dataset = await work.row(
        select(
            Dataset.id,
            Dataset.department_id,
            Dataset.status,
            Dataset.column_names,
            Dataset.s3_key_processed,
        )
        .where(Dataset.id == dataset_id, Dataset.deleted_at.is_(None), scope.condition(Dataset))
        .with_for_update()
    )
    if dataset is None:
        message = "There is no such dataset."
        raise NotFound(message)
    return dataset


async def _seen_job(work: Work, job_id: UUID, *, lock: bool = False) -> Row:
    statement = select(Job.__table__).where(
        Job.id == job_id, Job.deleted_at.is_(None), scope.condition(Job)
    )
    job = await work.row(statement.with_for_update() if lock else statement, Job)
    if job is None:
        message = "There is no such job."
        raise NotFound(message)
    return job


async def _cancel(work: Work, job: Row) -> None:
    here = (Job.id == job.id, Job.department_id == job.department_id)
    if job.status == JobStatus.QUEUED:
        await work.rows(
            update(Job)
            .where(*here)
            .values(
                status=JobStatus.CANCELLED,
                completed_at=func.now(),
                cancel_requested_at=func.now(),
            )
        )
        work.event(
            job,
            EventKind.STATUS,
            status=JobStatus.CANCELLED,
            progress=job.progress,
            message="Cancelled before it began.",
        )
        return
    if job.cancel_requested_at is None:
        await work.rows(update(Job).where(*here).values(cancel_requested_at=func.now()))
        work.event(job, EventKind.MESSAGE, progress=job.progress, message="Asked to stop.")


def _check_priority(priority: int) -> None:
    lowest, highest = 1, 10
    if not lowest <= priority <= highest:
        message = "A priority is a whole number from 1 to 10, where 10 is the most urgent."
        raise InvalidInput.at("priority", message)
