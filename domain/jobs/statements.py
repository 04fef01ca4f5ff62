"""The statements of the job protocol, each under the guard of a lease.

``job``, ``department`` and ``token`` are the guard; what ends an attempt changes the job and the
attempt in one statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    Interval,
    Text,
    Uuid,
    bindparam,
    case,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.jobs.models import Job, JobAttempt, JobStatus
from domain.statements import columns, kept

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Update

JOB = bindparam("job", type_=Uuid())
DEPARTMENT = bindparam("department", type_=Uuid())
TOKEN = bindparam("token", type_=BigInteger())
NOW = func.clock_timestamp()


def _guarded() -> Update:
    return update(Job).where(
        Job.id == JOB,
        Job.department_id == DEPARTMENT,
        Job.lease_token == TOKEN,
        Job.status == JobStatus.PROCESSING,
    )


def _given(name: str, type_: Any = Text) -> ColumnElement[Any]:
    return bindparam(f"new_{name}", type_=type_())


def _released() -> dict[str, Any]:
    return {
        "lease_expires_at": None,
        "leased_by": None,
        "current_step": None,
        "error_code": _given("error_code"),
        "error_message": _given("error_message"),
        "error_traceback": _given("error_traceback"),
    }


def _with_attempt(change: Update) -> tuple[Select[Any], type[Job]]:
    """Has a change of the job end its attempt too; where the guard refuses, both stay."""
    job = change.returning(*columns(Job)).cte("job")
    attempt = (
        update(JobAttempt)
        .where(
            JobAttempt.job_id == job.c.id,
            JobAttempt.department_id == DEPARTMENT,
            JobAttempt.lease_token == TOKEN,
        )
        .values(
            ended_at=NOW,
            outcome=_given("outcome"),
            error_code=_given("error_code"),
            error_message=_given("error_message"),
        )
        .returning(JobAttempt.id)
        .cte("attempt")
    )
    return select(*job.c).add_cte(attempt), Job


@kept
def ended(*, publishes: bool) -> tuple[Select[Any], type[Job]]:
    """Ends a job for good; one that ``publishes`` only where no cancel was asked."""
    change = _guarded().values(
        **_released(),
        status=_given("status"),
        completed_at=NOW,
        progress=func.coalesce(_given("progress", Integer), Job.progress),
        result_data=_given("result_data", JSONB),
        output_file=_given("output_file"),
        blames_file=_given("blames_file", Boolean),
    )
    return _with_attempt(change.where(Job.cancel_requested_at.is_(None)) if publishes else change)


@kept
def waiting() -> tuple[Select[Any], type[Job]]:
    """Ends an attempt and has the job wait for ``pause``, or be over where a cancel was asked.

    ``uncounted`` is how many more attempts it gets for this one.
    """
    # A cancel that was asked meanwhile is not forgotten by waiting.
    cancelled = Job.cancel_requested_at.is_not(None)
    change = _guarded().values(
        **_released(),
        status=case((cancelled, JobStatus.CANCELLED), else_=JobStatus.QUEUED),
        completed_at=case((cancelled, NOW)),
        max_attempts=Job.max_attempts + bindparam("uncounted", type_=Integer()),
        lease_token=Job.lease_token + 1,
        available_at=NOW + bindparam("pause", type_=Interval()),
    )
    return _with_attempt(change)


@kept
def renewed() -> tuple[Update, type[Job]]:
    """Keeps the job for another ``lease``, and notes its progress."""
    change = _guarded().values(
        lease_expires_at=NOW + bindparam("lease", type_=Interval()),
        heartbeat_at=NOW,
        progress=_given("progress", Integer),
        current_step=_given("step"),
    )
    return (
        change.returning(Job.id, Job.department_id, Job.dataset_id, Job.cancel_requested_at),
        Job,
    )


@kept
def held() -> tuple[Select[Any], type[Job]]:
    """Locks the job for the rest of the transaction."""
    guard = _guarded().whereclause
    assert guard is not None  # noqa: S101 (it was just made)
    return select(Job.id).where(guard).with_for_update(), Job
