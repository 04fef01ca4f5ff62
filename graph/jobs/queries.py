"""Reading jobs and results."""

from __future__ import annotations

import strawberry

from domain.jobs import models
from graph.edges import found
from graph.jobs.inputs import JobFilter, JobOrderBy, ResultFilter, ResultOrderBy
from graph.jobs.queue import Queue
from graph.jobs.types import Job, Result
from graph.paging import Connection, scoped_connection


@strawberry.type
class JobQueries:
    """Root fields about jobs."""

    @strawberry.field(
        description="How the queue of the departments stands that the caller sees. Needs "
        "job:operate."
    )
    def queue(self) -> Queue:
        """Its fields load what they show."""
        return Queue()

    job: Job | None = found(
        models.Job, "The job with this id, or null where there is none to be seen.", "The job's id."
    )

    jobs: Connection[Job] = scoped_connection(
        models.Job,
        "The jobs of the departments that the caller sees.",
        filter=JobFilter,
        order_by=JobOrderBy,
    )

    result: Result | None = found(
        models.Result,
        "The result with this id, or null where there is none to be seen.",
        "The result's id.",
    )

    results: Connection[Result] = scoped_connection(
        models.Result,
        "The results of the departments that the caller sees.",
        filter=ResultFilter,
        order_by=ResultOrderBy,
    )
