"""Jobs, their attempts and events, and results."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.catalog.models import Dataset as DatasetRow
from domain.identity import reads
from domain.identity.models import Department as DepartmentRow
from domain.jobs import models
from graph.edges import by, one
from graph.enums import described
from graph.jobs.inputs import (
    AttemptOrderBy,
    JobFilter,
    JobOrderBy,
    JobStatus,
    JobType,
    ResultFilter,
    ResultOrderBy,
)
from graph.nodes import Node, node
from graph.paging import Connection, connection
from graph.scalars import Json

if TYPE_CHECKING:
    from graph.catalog.types import Dataset
    from graph.identity.types import Actor, Department

LazyActor = Annotated["Actor", strawberry.lazy("graph.identity.types")]
LazyDepartment = Annotated["Department", strawberry.lazy("graph.identity.types")]
LazyDataset = Annotated["Dataset", strawberry.lazy("graph.catalog.types")]

if TYPE_CHECKING:
    # To type checkers the graph's form of an enum is the domain's: the same values.
    from domain.jobs.models import AttemptOutcome
else:
    AttemptOutcome = described(
        models.AttemptOutcome,
        "How one attempt at a job ended.",
        {
            models.AttemptOutcome.SUCCEEDED: "It did its work and published it.",
            models.AttemptOutcome.FAILED: "It failed for good, and the job with it.",
            models.AttemptOutcome.RETRIED: "It failed, and the job waits for another attempt.",
            models.AttemptOutcome.LOST: "Its worker stopped answering.",
            models.AttemptOutcome.CANCELLED: "It was stopped because the job was cancelled.",
            models.AttemptOutcome.HANDED_BACK: "Its worker stopped and put the job back.",
        },
    )


@node(models.JobAttempt, "One run of a job by one worker, and how it ended.")
class JobAttempt(Node):
    """A row of `job_attempts`."""

    attempt: int = strawberry.field(description="Which attempt this is, from 1.")
    worker: str = strawberry.field(description="The worker that ran it.")
    started_at: datetime = strawberry.field(description="When the worker took the job.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    outcome: AttemptOutcome | None = strawberry.field(description="How it ended.")
    error_code: str | None = strawberry.field(description="Why it failed, as a stable word.")
    error_message: str | None = strawberry.field(description="Why it failed, as a sentence.")

    job: Job | None = one(models.Job, "job_id", "The job that was run.")


@node(models.Job, "A piece of work that a worker does.")
class Job(Node):
    """A row of `jobs`."""

    job_type: JobType = strawberry.field(description="What kind of work it is.")
    status: JobStatus = strawberry.field(description="Where the job stands.")
    priority: int = strawberry.field(description="How urgent it is, from 1 to 10.")
    params: Json = strawberry.field(description="What it was started with.")
    attempts: int = strawberry.field(description="How many attempts have begun.")
    max_attempts: int = strawberry.field(description="How many attempts it has at most.")
    progress: int = strawberry.field(description="How far the present attempt is, in percent.")
    current_step: str | None = strawberry.field(description="What the present attempt is doing.")
    error_code: str | None = strawberry.field(description="Why it failed, as a stable word.")
    error_message: str | None = strawberry.field(
        description="Why it failed and what to do, as a sentence."
    )
    error_traceback: str | None = strawberry.field(
        description="Where in the program it failed, for whoever mends it."
    )
    blames_file: bool = strawberry.field(
        description="Whether it failed because of its file, and the dataset with it."
    )
    result_data: Json | None = strawberry.field(description="What it found out, in short.")
    leased_by: str | None = strawberry.field(description="The worker that has it.")
    lease_expires_at: datetime | None = strawberry.field(
        description="When it is taken from that worker, unless the worker renews its lease before."
    )
    heartbeat_at: datetime | None = strawberry.field(description="When its worker last answered.")
    available_at: datetime = strawberry.field(
        description="The moment before which it is not taken, after a failed attempt."
    )
    cancel_requested_at: datetime | None = strawberry.field(
        description="When somebody asked it to stop."
    )
    started_at: datetime | None = strawberry.field(description="When its first attempt began.")
    completed_at: datetime | None = strawberry.field(description="When it ended for good.")
    created_at: datetime = strawberry.field(description="When it was started.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    dataset: LazyDataset | None = one(DatasetRow, "dataset_id", "The dataset that it works on.")

    department: LazyDepartment = one(
        DepartmentRow, "department_id", "The department that it belongs to."
    )

    created_by: LazyActor = by(reads.actors, "created_by", "Who started it.")

    retry_of: Job | None = one(models.Job, "retry_of_id", "The job that this one does again.")

    job_attempts: Connection[JobAttempt] = connection(
        models.JobAttempt,
        "job_id",
        "Its attempts so far, each one run by a worker.",
        order_by=AttemptOrderBy,
        ordered=True,
    )

    results: Connection[Result] = connection(
        models.Result, "job_id", "What it published.", filter=ResultFilter, order_by=ResultOrderBy
    )

    retries: Connection[Job] = connection(
        models.Job,
        "retry_of_id",
        "The jobs that did this one again.",
        filter=JobFilter,
        order_by=JobOrderBy,
    )


@node(models.Result, "What a job found out about a dataset.")
class Result(Node):
    """A row of `results`."""

    result_type: str = strawberry.field(
        description="What kind of result it is, such as etl_summary; it names the payload's form."
    )
    payload: Json = strawberry.field(description="The result, in the form that its type names.")
    metadata: Json | None = strawberry.field(description="How it was made.")
    created_at: datetime = strawberry.field(description="When it was published.")

    dataset: LazyDataset | None = one(DatasetRow, "dataset_id", "The dataset that it is about.")

    job: Job | None = one(models.Job, "job_id", "The job that published it.")

    department: LazyDepartment = one(
        DepartmentRow, "department_id", "The department that it belongs to."
    )


def _row(source: Any) -> Any:
    # What Strawberry hands to a resolver as its object is the row itself.
    return source
