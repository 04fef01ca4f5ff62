"""Jobs, their attempts and events, and results."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.jobs import models
from graph.context import Info
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
from graph.paging import After, Before, Connection, First, Last, children, page_of
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

    @strawberry.field(description="The job that was run.")
    async def job(self, info: Info) -> Job | None:
        """Loads the job."""
        return await info.context.loaders.one(models.Job, _row(self).job_id)  # type: ignore[return-value]


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
    result_data: Json | None = strawberry.field(description="What it found out, in short.")
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

    @strawberry.field(description="The dataset that it works on.")
    async def dataset(self, info: Info) -> LazyDataset | None:
        """Loads the dataset."""
        from domain.catalog.models import Dataset as DatasetRow  # noqa: PLC0415 (types refer back)

        return await info.context.loaders.one(DatasetRow, _row(self).dataset_id)  # type: ignore[return-value]

    @strawberry.field(description="The department that it belongs to.")
    async def department(self, info: Info) -> LazyDepartment:
        """Loads the department."""
        from graph.identity.types import department_of  # noqa: PLC0415 (types refer back)

        return await department_of(info, _row(self).department_id)

    @strawberry.field(description="Who started it.")
    async def created_by(self, info: Info) -> LazyActor:
        """Loads the name behind the account."""
        from graph.identity.types import actor_of  # noqa: PLC0415 (types refer back)

        return await actor_of(info, _row(self).created_by)

    @strawberry.field(description="The job that this one does again.")
    async def retry_of(self, info: Info) -> Job | None:
        """Loads the earlier job."""
        return await info.context.loaders.one(models.Job, _row(self).retry_of_id)  # type: ignore[return-value]

    @strawberry.field(description="Its attempts so far, each one run by a worker.")
    def job_attempts(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        order_by: Annotated[
            AttemptOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[JobAttempt]:
        """Pages through the attempts."""
        page = page_of(
            info, models.JobAttempt, first, after, last, before, None, order_by or AttemptOrderBy()
        )
        return children(info, models.JobAttempt, "job_id", _row(self)["id"], page)

    @strawberry.field(description="What it published.")
    def results(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            ResultFilter | None, strawberry.argument(description="Which results to give.")
        ] = None,
        order_by: Annotated[
            ResultOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[Result]:
        """Pages through the results."""
        page = page_of(info, models.Result, first, after, last, before, filter, order_by)
        return children(info, models.Result, "job_id", _row(self)["id"], page)

    @strawberry.field(description="The jobs that did this one again.")
    def retries(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            JobFilter | None, strawberry.argument(description="Which jobs to give.")
        ] = None,
        order_by: Annotated[
            JobOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[Job]:
        """Pages through the later jobs."""
        page = page_of(info, models.Job, first, after, last, before, filter, order_by)
        return children(info, models.Job, "retry_of_id", _row(self)["id"], page)


@node(models.Result, "What a job found out about a dataset.")
class Result(Node):
    """A row of `results`."""

    result_type: str = strawberry.field(
        description="What kind of result it is, such as etl_summary; it names the payload's form."
    )
    payload: Json = strawberry.field(description="The result, in the form that its type names.")
    metadata: Json | None = strawberry.field(description="How it was made.")
    created_at: datetime = strawberry.field(description="When it was published.")

    @strawberry.field(description="The dataset that it is about.")
    async def dataset(self, info: Info) -> LazyDataset | None:
        """Loads the dataset."""
        from domain.catalog.models import Dataset as DatasetRow  # noqa: PLC0415 (types refer back)

        return await info.context.loaders.one(DatasetRow, _row(self).dataset_id)  # type: ignore[return-value]

    @strawberry.field(description="The job that published it.")
    async def job(self, info: Info) -> Job | None:
        """Loads the job."""
        return await info.context.loaders.one(models.Job, _row(self).job_id)  # type: ignore[return-value]

    @strawberry.field(description="The department that it belongs to.")
    async def department(self, info: Info) -> LazyDepartment:
        """Loads the department."""
        from graph.identity.types import department_of  # noqa: PLC0415 (types refer back)

        return await department_of(info, _row(self).department_id)


def _row(source: Any) -> Any:
    # What Strawberry hands to a resolver as its object is the row itself.
    return source
