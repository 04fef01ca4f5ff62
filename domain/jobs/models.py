"""Jobs, attempts, events, idempotency keys and results."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.models import Base, Created, Departmental, Identified, Timestamped, one_of, words
from domain.permissions import Permission
from domain.scope import ScopeKind

LIVE = text("deleted_at is null")


class JobType(StrEnum):
    """The kinds of work that a worker can do."""

    ETL = "etl"
    ML_INFERENCE = "ml_inference"
    VALIDATION = "validation"
    CONVERSION = "conversion"
    EXTRACTION = "extraction"
    SCHEMA_DEDUCTION = "schema_deduction"
    EDA = "eda"
    ANALYSIS = "analysis"
    PIPELINE = "pipeline"
    TRAINING = "training"


class JobStatus(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})


class AttemptOutcome(StrEnum):
    """How one attempt at a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"
    LOST = "lost"
    CANCELLED = "cancelled"
    HANDED_BACK = "handed_back"


class EventKind(StrEnum):
    """What an event of a job tells."""

    STATUS = "status"
    PROGRESS = "progress"
    STEP = "step"
    MESSAGE = "message"


class Job(Departmental, Identified, Timestamped, Base):
    """A piece of work, the truth about it, and its place in the queue."""

    __tablename__ = "jobs"
    read_permission = Permission.JOB_READ
    weighed = frozenset({"status"})
    led: ClassVar = {
        "error_code": frozenset({"completed_at"}),
        "status": frozenset({"created_at", "completed_at"}),
    }

    dataset_id: Mapped[UUID | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    retry_of_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    job_type: Mapped[JobType] = one_of("job_type", JobType)
    status: Mapped[JobStatus] = one_of("status", JobStatus, server_default=text("'queued'"))
    priority: Mapped[int] = mapped_column(Integer, server_default=text("5"))
    params: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    queue_message_id: Mapped[str | None] = words("queue_message_id", 255)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    max_attempts: Mapped[int] = mapped_column(Integer, server_default=text("3"))
    progress: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    current_step: Mapped[str | None] = words("current_step", 255)
    lease_token: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    leased_by: Mapped[str | None] = words("leased_by", 255)
    lease_expires_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    available_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    cancel_requested_at: Mapped[datetime | None]
    error_code: Mapped[str | None] = words("error_code", 100)
    error_message: Mapped[str | None]
    error_traceback: Mapped[str | None]
    result_data: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    output_file: Mapped[str | None] = words("output_file", 500)
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    blames_file: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (
        ForeignKeyConstraint(["department_id"], ["departments.id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["dataset_id", "department_id"],
            ["datasets.id", "datasets.department_id"],
            ondelete="CASCADE",
        ),
        UniqueConstraint("id", "department_id"),
        CheckConstraint("priority between 1 and 10", name="priority"),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("max_attempts >= 1", name="max_attempts"),
        CheckConstraint("progress between 0 and 100", name="progress"),
        CheckConstraint(
            "(status = 'processing') = (lease_expires_at is not null)",
            name="leased_while_processing",
        ),
        CheckConstraint(
            "(status in ('succeeded', 'failed', 'cancelled')) = (completed_at is not null)",
            name="completed_when_final",
        ),
        Index(
            "jobs_department_id_dataset_id_job_type_idx", "department_id", "dataset_id", "job_type"
        ),
        Index(
            "jobs_department_id_status_created_at_idx",
            "department_id",
            "status",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "jobs_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "jobs_created_at_id_idx",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "jobs_dataset_id_created_at_id_idx",
            "dataset_id",
            text("created_at desc"),
            text("id desc"),
        ),
        Index(
            "jobs_department_id_status_completed_at_id_idx",
            "department_id",
            "status",
            text("completed_at desc"),
            text("id desc"),
            postgresql_where=text("deleted_at is null and completed_at is not null"),
        ),
        Index(
            "jobs_department_id_completed_at_id_idx",
            "department_id",
            text("completed_at desc"),
            text("id desc"),
            postgresql_where=text("deleted_at is null and completed_at is not null"),
        ),
        Index(
            "jobs_department_id_error_code_completed_at_id_idx",
            "department_id",
            "error_code",
            text("completed_at desc"),
            text("id desc"),
            postgresql_where=text("deleted_at is null and error_code is not null"),
        ),
        Index("jobs_queue_message_id_idx", "queue_message_id"),
        Index("jobs_created_by_idx", "created_by"),
        Index("jobs_retry_of_id_idx", "retry_of_id"),
        Index(
            "jobs_waiting_idx",
            "department_id",
            text("priority desc"),
            "created_at",
            "id",
            postgresql_where=text("status = 'queued'"),
        ),
        Index(
            "jobs_lease_expires_at_idx",
            "lease_expires_at",
            postgresql_where=text("status = 'processing'"),
        ),
        Index("jobs_running_idx", "department_id", postgresql_where=text("status = 'processing'")),
        Index(
            "jobs_one_active_idx",
            "dataset_id",
            "job_type",
            unique=True,
            postgresql_where=text(
                "status in ('queued', 'processing') "
                "and job_type in ('validation', 'schema_deduction', 'etl')"
            ),
        ),
    )


class JobDataset(Departmental, Identified, Created, Base):
    """One of several inputs of a job, which may lie in a department below the job's."""

    __tablename__ = "job_datasets"
    read_permission = Permission.JOB_READ

    job_id: Mapped[UUID]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "department_id"], ["jobs.id", "jobs.department_id"], ondelete="CASCADE"
        ),
        UniqueConstraint("job_id", "position"),
        UniqueConstraint("job_id", "dataset_id"),
        Index("job_datasets_department_id_idx", "department_id"),
        Index("job_datasets_dataset_id_idx", "dataset_id"),
    )


class JobAttempt(Departmental, Identified, Created, Base):
    """One run of a job by one worker, and how it ended."""

    __tablename__ = "job_attempts"
    read_permission = Permission.JOB_READ

    job_id: Mapped[UUID]
    attempt: Mapped[int] = mapped_column(Integer)
    lease_token: Mapped[int] = mapped_column(BigInteger)
    worker: Mapped[str] = words("worker", 255)
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    ended_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None] = one_of("outcome", AttemptOutcome)
    error_code: Mapped[str | None] = words("error_code", 100)
    error_message: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "department_id"], ["jobs.id", "jobs.department_id"], ondelete="CASCADE"
        ),
        UniqueConstraint("job_id", "attempt"),
        UniqueConstraint("job_id", "lease_token"),
        CheckConstraint("(ended_at is null) = (outcome is null)", name="ended"),
        Index(
            "job_attempts_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
        ),
    )


class JobEvent(Departmental, Created, Base):
    """One line of the durable log; its id is the order of commit and the stream's cursor."""

    __tablename__ = "job_events"
    read_permission = Permission.JOB_READ

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, sort_order=-20
    )
    job_id: Mapped[UUID]
    dataset_id: Mapped[UUID | None]
    kind: Mapped[EventKind] = one_of("kind", EventKind)
    status: Mapped[JobStatus | None] = one_of("status", JobStatus)
    progress: Mapped[int | None] = mapped_column(Integer)
    step: Mapped[str | None] = words("step", 255)
    message: Mapped[str | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "department_id"], ["jobs.id", "jobs.department_id"], ondelete="CASCADE"
        ),
        CheckConstraint("progress between 0 and 100", name="progress"),
        Index("job_events_department_id_id_idx", "department_id", "id"),
        Index("job_events_job_id_id_idx", "job_id", "id"),
        Index("job_events_dataset_id_id_idx", "dataset_id", "id"),
        Index("job_events_created_at_idx", "created_at"),
    )


class IdempotencyKey(Identified, Created, Base):
    """A key that a client gave with a mutation, and what that mutation made."""

    __tablename__ = "idempotency_keys"
    scope_kind = ScopeKind.OWN

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    key: Mapped[str] = words("key", 200)
    operation: Mapped[str] = words("operation", 100)
    input_hash: Mapped[str] = words("input_hash", 64)
    object_id: Mapped[UUID | None]

    __table_args__ = (
        UniqueConstraint("user_id", "key"),
        Index("idempotency_keys_created_at_idx", "created_at"),
    )


class Result(Departmental, Identified, Created, Base):
    """What a job found out, as a payload whose form its type names."""

    __tablename__ = "results"
    read_permission = Permission.RESULT_READ
    led: ClassVar = {"result_type": frozenset({"created_at"})}

    dataset_id: Mapped[UUID]
    job_id: Mapped[UUID]
    result_type: Mapped[str] = words("result_type", 100)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    result_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["dataset_id", "department_id"],
            ["datasets.id", "datasets.department_id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["job_id", "department_id"], ["jobs.id", "jobs.department_id"], ondelete="CASCADE"
        ),
        UniqueConstraint("job_id", "result_type"),
        Index(
            "results_department_id_dataset_id_result_type_idx",
            "department_id",
            "dataset_id",
            "result_type",
        ),
        Index(
            "results_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "results_created_at_id_idx",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "results_dataset_id_created_at_id_idx",
            "dataset_id",
            text("created_at desc"),
            text("id desc"),
        ),
        Index(
            "results_department_id_result_type_created_at_id_idx",
            "department_id",
            "result_type",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index("results_payload_gin_idx", "payload", postgresql_using="gin"),
    )
