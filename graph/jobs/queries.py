"""Reading jobs and results."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain.jobs import models
from graph.context import Info
from graph.jobs.inputs import JobFilter, JobOrderBy, ResultFilter, ResultOrderBy
from graph.jobs.queue import Queue
from graph.jobs.types import Job, Result
from graph.paging import After, Before, Connection, First, Last, page_of, scoped
from graph.scalars import key_of


@strawberry.type
class JobQueries:
    """Root fields about jobs."""

    @strawberry.field(description="The job with this id, or null where there is none to be seen.")
    async def job(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The job's id.")],
    ) -> Job | None:
        """Loads one job."""
        return await info.context.loaders.one(models.Job, key_of("Job", id))  # type: ignore[return-value]

    @strawberry.field(description="The jobs of the departments that the caller sees.")
    def jobs(
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
        """Pages through jobs."""
        page = page_of(info, models.Job, first, after, last, before, filter, order_by)
        return scoped(info, models.Job, page)

    @strawberry.field(
        description="How the queue of the departments stands that the caller sees. Needs "
        "job:operate."
    )
    def queue(self) -> Queue:
        """Its fields load what they show."""
        return Queue()

    @strawberry.field(
        description="The result with this id, or null where there is none to be seen."
    )
    async def result(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The result's id.")],
    ) -> Result | None:
        """Loads one result."""
        return await info.context.loaders.one(models.Result, key_of("Result", id))  # type: ignore[return-value]

    @strawberry.field(description="The results of the departments that the caller sees.")
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
        """Pages through results."""
        page = page_of(info, models.Result, first, after, last, before, filter, order_by)
        return scoped(info, models.Result, page)
