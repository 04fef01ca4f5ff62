"""What a worker does to a job: claim it, renew its lease, and end it, each under a guard.

Every write names the lease's token and the status ``processing``, so a worker that lost its lease
can write nothing, and what a job publishes is published once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from domain.jobs import statements
from domain.jobs.models import AttemptOutcome, EventKind, JobStatus, JobType
from domain.work import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from domain.bell import Bell
    from domain.database import Database, Row
    from domain.work import Work

BACKOFF_SECONDS = 5.0
BACKOFF_LIMIT_SECONDS = 300.0


class LeaseLost(Exception):
    """The job is no longer this worker's: its lease ran out, it ended, or a cancel was asked."""


class Standing(Enum):
    """What the renewal of a lease says of the job."""

    HELD = "held"
    CANCEL = "cancel"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that this worker has claimed; ``token`` guards every write about this run."""

    id: UUID
    department_id: UUID
    dataset_id: UUID | None
    job_type: JobType
    created_by: UUID
    params: Mapping[str, Any]
    attempt: int
    max_attempts: int
    token: int

    def guard(self) -> dict[str, Any]:
        """What every statement about this run is given, so that it writes only while it may."""
        return {"job": self.id, "department": self.department_id, "token": self.token}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed. ``code`` is stable; ``message`` says what to do; only some are retried.

    ``blames_file`` has the dataset fail with the job; otherwise the dataset goes back to where the
    last work that was published had brought it, for its file is as good as before.
    """

    code: str
    message: str
    traceback: str | None = None
    retryable: bool = False
    blames_file: bool = False


async def claim(
    database: Database,
    worker: str,
    lease_seconds: float,
    types: Iterable[JobType],
    bell: Bell,
    *,
    limit: int = 1,
) -> list[Lease]:
    """Takes the next jobs for ``worker``, at most ``limit``. Raises `Unavailable`.

    Where the answer is lost on its way, the jobs come back when their leases run out.
    """
    rows = await database.call(
        "select * from claim_jobs($1, $2, $3, $4)",
        worker,
        timedelta(seconds=lease_seconds),
        [str(t) for t in types],
        limit,
    )
    if rows:
        await bell.events()
    return [
        Lease(
            row.id,
            row.department_id,
            row.dataset_id,
            JobType(row.job_type),
            row.created_by,
            row.params,
            row.attempt,
            row.max_attempts,
            row.lease_token,
        )
        for row in rows
    ]


async def renew(
    database: Database,
    lease: Lease,
    lease_seconds: float,
    bell: Bell,
    *,
    progress: int,
    step: str | None,
    tell: EventKind | None = None,
) -> Standing:
    """Keeps the job for another ``lease_seconds``, notes its progress, and says how it stands.

    ``tell`` also writes an event of that kind, for those who follow the job.
    """
    async with running(database, lease.department_id, lease.created_by, bell) as work:
        row = await work.row(
            statements.renewed(),
            **lease.guard(),
            lease=timedelta(seconds=lease_seconds),
            new_progress=progress,
            new_step=step,
        )
        if row is None:
            return Standing.LOST
        if tell is not None:
            work.event(row, tell, progress=progress, step=step)
    return Standing.HELD if row.cancel_requested_at is None else Standing.CANCEL


async def hold(work: Work, lease: Lease) -> None:
    """Makes sure, for the rest of ``work``, that the job is still this worker's.

    Raises `LeaseLost` otherwise. The row stays locked, so nobody takes it back meanwhile.
    """
    row = await work.row(statements.held(), **lease.guard())
    if row is None:
        raise LeaseLost(str(lease.id))


async def succeed(
    work: Work,
    lease: Lease,
    *,
    message: str,
    result_data: Mapping[str, Any] | None = None,
    output_file: str | None = None,
) -> Row:
    """Ends the job well, in the transaction that publishes what it made.

    Raises `LeaseLost` when the job is no longer this worker's or a cancel was asked; the
    transaction then publishes nothing.
    """
    return await _end(
        work,
        lease,
        JobStatus.SUCCEEDED,
        message,
        result_data=result_data,
        output_file=output_file,
    )


async def fail(database: Database, lease: Lease, failure: Failure, bell: Bell) -> JobStatus:
    """Ends the job badly, or has it wait for another attempt where the failure is retryable.

    Raises `LeaseLost` when it is no longer this worker's.
    """
    again = failure.retryable and lease.attempt < lease.max_attempts
    failure = replace(
        failure,
        message=_storable(failure.message),
        traceback=failure.traceback and _storable(failure.traceback),
    )
    async with running(database, lease.department_id, lease.created_by, bell) as work:
        if again:
            wait = backoff(lease.attempt)
            await _wait(
                work,
                lease,
                AttemptOutcome.RETRIED,
                f"{failure.message} Next attempt in {wait:.0f} s.",
                failure,
                seconds=wait,
            )
            return JobStatus.QUEUED
        await _end(
            work,
            lease,
            JobStatus.FAILED,
            failure.message,
            failure=failure,
        )
        return JobStatus.FAILED


async def cancel(database: Database, lease: Lease, bell: Bell) -> None:
    """Ends a job whose cancel was asked, once its child is gone. Raises `LeaseLost`."""
    async with running(database, lease.department_id, lease.created_by, bell) as work:
        await _end(work, lease, JobStatus.CANCELLED, "Cancelled while it ran.")


async def hand_back(database: Database, lease: Lease, bell: Bell) -> None:
    """Puts the job back at once because this worker stops; it does not count as an attempt."""
    async with running(database, lease.department_id, lease.created_by, bell) as work:
        await _wait(
            work,
            lease,
            AttemptOutcome.HANDED_BACK,
            "Handed back by a stopping worker.",
            None,
            seconds=0,
        )
        work.ring()


def backoff(attempt: int) -> float:
    """Seconds until the next attempt: exponential, with full jitter over its upper half."""
    longest: float = min(BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS * 2 ** min(attempt - 1, 10))
    return longest * random.uniform(0.5, 1)  # noqa: S311 (spreads load, guards nothing)


async def _end(
    work: Work,
    lease: Lease,
    status: JobStatus,
    message: str,
    *,
    failure: Failure | None = None,
    result_data: Mapping[str, Any] | None = None,
    output_file: str | None = None,
) -> Row:
    job = await work.row(
        statements.ended(publishes=status is JobStatus.SUCCEEDED),
        **_values(lease, AttemptOutcome(status.value), failure),
        new_status=status,
        new_progress=100 if status is JobStatus.SUCCEEDED else None,
        new_result_data=None if result_data is None else dict(result_data),
        new_output_file=output_file,
        new_blames_file=failure is not None and failure.blames_file,
    )
    if job is None:
        raise LeaseLost(str(lease.id))
    work.event(job, EventKind.STATUS, status=status, progress=job.progress, message=message)
    return job


async def _wait(
    work: Work,
    lease: Lease,
    outcome: AttemptOutcome,
    message: str,
    failure: Failure | None,
    *,
    seconds: float,
) -> None:
    job = await work.row(
        statements.waiting(),
        **_values(lease, outcome, failure),
        pause=timedelta(seconds=seconds),
        uncounted=1 if outcome is AttemptOutcome.HANDED_BACK else 0,
    )
    if job is None:
        raise LeaseLost(str(lease.id))
    work.event(job, EventKind.STATUS, status=job.status, progress=job.progress, message=message)


def _values(lease: Lease, outcome: AttemptOutcome, failure: Failure | None) -> dict[str, Any]:
    return {
        **lease.guard(),
        "new_outcome": outcome,
        "new_error_code": failure.code if failure else None,
        "new_error_message": failure.message if failure else None,
        "new_error_traceback": failure.traceback if failure else None,
    }


def _storable(text: str) -> str:
    # A file's own words may stand in a message, and a failure that can't be written is no end.
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
