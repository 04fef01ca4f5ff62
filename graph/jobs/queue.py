"""How the queue stands, for operators."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.identity import models
from domain.jobs import queue
from graph.context import Info

if TYPE_CHECKING:
    from graph.identity.types import Department

LazyDepartment = Annotated["Department", strawberry.lazy("graph.identity.types")]


@strawberry.type(description="The jobs of one department that have not ended.")
class DepartmentQueue:
    """A `domain.jobs.queue.DepartmentQueue`."""

    waiting: int = strawberry.field(description="How many jobs could start now.")
    delayed: int = strawberry.field(description="How many wait for the time of another attempt.")
    running: int = strawberry.field(description="How many a worker has.")
    stuck: int = strawberry.field(
        description="How many of the running ones their worker has not answered for in time."
    )
    limit: int = strawberry.field(description="How many of its jobs run at once at most.")
    oldest_waiting_at: datetime | None = strawberry.field(
        description="Since when the job has waited that could have started first."
    )

    @strawberry.field(description="The department whose queue it is.")
    async def department(self, info: Info) -> LazyDepartment:
        """Loads the department."""
        source: Any = self
        return await info.context.loaders.one(models.Department, source.department_id)  # type: ignore[return-value]


@strawberry.type(description="A worker that has jobs of the departments that the caller sees.")
class WorkerLoad:
    """A `domain.jobs.queue.WorkerLoad`."""

    name: str = strawberry.field(description="How it calls itself: its machine and its process.")
    running: int = strawberry.field(description="How many of these jobs it has.")
    renewed_at: datetime | None = strawberry.field(
        description="When it renewed the lease that it has left alone longest."
    )


@strawberry.type(
    description="How the queue stands. Jobs that need somebody are found by jobs with "
    "filter: {trouble: STUCK} and {trouble: DEAD}."
)
class Queue:
    """What operators look at first."""

    @strawberry.field(description="The queue of each department that the caller sees, by code.")
    async def departments(self, info: Info) -> list[DepartmentQueue]:
        """Needs job:operate."""
        return await queue.department_queues(info.context.reads)  # type: ignore[return-value]

    @strawberry.field(description="The workers that have jobs of these departments, by name.")
    async def workers(self, info: Info) -> list[WorkerLoad]:
        """Needs job:operate."""
        return await queue.worker_loads(info.context.reads)  # type: ignore[return-value]
