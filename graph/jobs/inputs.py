"""Enums, filters, orders and the inputs of mutations about jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from domain.errors import InvalidInput
from domain.filters import Condition, Operator
from domain.jobs import models
from domain.paging import Order
from graph.enums import Direction, described, values
from graph.scalars import Json, given_key

if TYPE_CHECKING:
    # To type checkers the graph's form of an enum is the domain's: the same values.
    from domain.jobs.models import JobStatus, JobType
else:
    JobType = described(
        models.JobType,
        "The kinds of work that a worker can do.",
        {
            models.JobType.ETL: "Cleans a dataset to typed Parquet.",
            models.JobType.ML_INFERENCE: "Finds what a department wants to know of a dataset.",
            models.JobType.VALIDATION: "Checks a file's bytes, form and types.",
            models.JobType.CONVERSION: "Converts a file to another form.",
            models.JobType.EXTRACTION: "Extracts tables from a file.",
            models.JobType.SCHEMA_DEDUCTION: "Deduces a dataset's schema.",
            models.JobType.EDA: "Explores a dataset and writes a report.",
            models.JobType.ANALYSIS: "Profiles a dataset's columns and its quality.",
            models.JobType.PIPELINE: "Runs a pipeline.",
            models.JobType.TRAINING: "Trains a model on a dataset.",
        },
    )

    JobStatus = described(
        models.JobStatus,
        "Where a job stands; the last three are final.",
        {
            models.JobStatus.QUEUED: "It waits for a worker.",
            models.JobStatus.PROCESSING: "A worker is at it.",
            models.JobStatus.SUCCEEDED: "It is done, and what it made is published.",
            models.JobStatus.FAILED: "It failed for good.",
            models.JobStatus.CANCELLED: "Somebody cancelled it.",
        },
    )


@strawberry.enum(description="Why a job needs somebody to look at it.")
class JobTrouble(Enum):
    """What operators look for."""

    STUCK = strawberry.enum_value(
        "stuck", description="Its worker has not answered in time, and nobody took it back yet."
    )
    DEAD = strawberry.enum_value(
        "dead", description="It failed for good, and for a reason beside its file."
    )


@strawberry.input(description="Which jobs to give: those that meet all that is set.")
class JobFilter:
    """Comparisons of a job's columns."""

    status: list[JobStatus] | None = strawberry.field(
        default=None, description="The job stands at one of these."
    )
    job_type: list[JobType] | None = strawberry.field(
        default=None, description="The job is of one of these types."
    )
    error_code: list[str] | None = strawberry.field(
        default=None, description="The job failed for one of these reasons, such as UNREADABLE."
    )
    trouble: JobTrouble | None = strawberry.field(
        default=None,
        description="The job needs somebody, for this reason; not to be given with status.",
    )
    department_id: strawberry.ID | None = strawberry.field(
        default=None, description="The job belongs to exactly this department."
    )
    dataset_id: strawberry.ID | None = strawberry.field(
        default=None, description="The job works on this dataset."
    )
    created_from: datetime | None = strawberry.field(
        default=None, description="The job was started at this moment or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="The job was started before this moment."
    )
    completed_from: datetime | None = strawberry.field(
        default=None, description="The job ended at this moment or later."
    )
    completed_before: datetime | None = strawberry.field(
        default=None, description="The job ended before this moment."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("status", Operator.IN, values(self.status)),
            Condition("job_type", Operator.IN, values(self.job_type)),
            Condition("error_code", Operator.IN, self.error_code),
            Condition("department_id", Operator.IS, given_key("Department", self.department_id)),
            Condition("dataset_id", Operator.IS, given_key("Dataset", self.dataset_id)),
            Condition("created_at", Operator.FROM, self.created_from),
            Condition("created_at", Operator.BEFORE, self.created_before),
            Condition("completed_at", Operator.FROM, self.completed_from),
            Condition("completed_at", Operator.BEFORE, self.completed_before),
            *self._troubled(),
        ]
        return tuple(c for c in given if c.value is not None)

    def _troubled(self) -> list[Condition]:
        if self.trouble is None:
            return []
        if self.status is not None:
            raise InvalidInput.at("filter.trouble", "Give either status or trouble, not both.")
        if self.trouble is JobTrouble.STUCK:
            return [
                Condition("status", Operator.IN, [models.JobStatus.PROCESSING]),
                Condition("lease_expires_at", Operator.BEFORE, datetime.now(UTC)),
            ]
        return [
            Condition("status", Operator.IN, [models.JobStatus.FAILED]),
            Condition("blames_file", Operator.IS, value=False),
        ]


@strawberry.enum(description="What jobs can be ordered by.")
class JobOrderField(Enum):
    """Columns that are never null, and one that leaves out the jobs without it."""

    CREATED_AT = strawberry.enum_value("created_at", description="When the job was started.")
    COMPLETED_AT = strawberry.enum_value(
        "completed_at", description="When the job ended; jobs that have not are left out."
    )


@strawberry.input(description="The order of a list of jobs.")
class JobOrderBy:
    """A column and a direction."""

    field: JobOrderField = strawberry.field(
        default=JobOrderField.CREATED_AT, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.DESC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.enum(description="What attempts can be ordered by.")
class AttemptOrderField(Enum):
    """Columns that are never null."""

    ATTEMPT = strawberry.enum_value("attempt", description="The number of the attempt.")


@strawberry.input(description="The order of a list of attempts.")
class AttemptOrderBy:
    """A column and a direction."""

    field: AttemptOrderField = strawberry.field(
        default=AttemptOrderField.ATTEMPT, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.ASC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="Which results to give: those that meet all that is set.")
class ResultFilter:
    """Comparisons of a result's columns."""

    result_type: list[str] | None = strawberry.field(
        default=None, description="The result is of one of these types."
    )
    department_id: strawberry.ID | None = strawberry.field(
        default=None, description="The result belongs to exactly this department."
    )
    dataset_id: strawberry.ID | None = strawberry.field(
        default=None, description="The result is about this dataset."
    )
    created_from: datetime | None = strawberry.field(
        default=None, description="The result was published at this moment or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="The result was published before this moment."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("result_type", Operator.IN, self.result_type),
            Condition("department_id", Operator.IS, given_key("Department", self.department_id)),
            Condition("dataset_id", Operator.IS, given_key("Dataset", self.dataset_id)),
            Condition("created_at", Operator.FROM, self.created_from),
            Condition("created_at", Operator.BEFORE, self.created_before),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What results can be ordered by.")
class ResultOrderField(Enum):
    """Columns that are never null."""

    CREATED_AT = strawberry.enum_value("created_at", description="When the result was published.")


@strawberry.input(description="The order of a list of results.")
class ResultOrderBy:
    """A column and a direction."""

    field: ResultOrderField = strawberry.field(
        default=ResultOrderField.CREATED_AT, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.DESC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="What startJob needs.")
class StartJobInput:
    """A job on a dataset."""

    dataset_id: strawberry.ID = strawberry.field(description="The dataset to work on.")
    job_type: JobType = strawberry.field(description="What to do.")
    params: Json | None = strawberry.field(
        default=None, description="What the job is told, as a JSON object."
    )
    priority: int = strawberry.field(
        default=5, description="How urgent it is, from 1 to 10, where 10 is the most urgent."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Repeating a call with the same key starts nothing twice."
    )


@strawberry.input(description="What cancelJob needs.")
class CancelJobInput:
    """A job to cancel."""

    job_id: strawberry.ID = strawberry.field(description="The job to cancel.")


@strawberry.input(description="What retryJob needs.")
class RetryJobInput:
    """A job to do again."""

    job_id: strawberry.ID = strawberry.field(description="The failed or cancelled job.")
    idempotency_key: str | None = strawberry.field(
        default=None, description="Repeating a call with the same key starts nothing twice."
    )
