"""How the queue stands, for whoever operates it: of each department, and of each worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from domain.errors import Forbidden
from domain.identity.models import Department
from domain.jobs.models import Job, JobStatus
from domain.paging import visible
from domain.permissions import Permission
from domain.statements import kept

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.sql.base import Executable

    from domain.database import Database, Row
    from domain.reads import Reads


@dataclass(frozen=True, slots=True)
class DepartmentQueue:
    """The jobs of one department that have not ended.

    ``waiting`` could start now, ``delayed`` wait for their next attempt, ``stuck`` are those of the
    ``running`` whose worker's lease ran out.
    """

    department_id: UUID
    limit: int
    waiting: int
    delayed: int
    running: int
    stuck: int
    oldest_waiting_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """How many jobs one worker has, and which moment it last renewed all their leases since."""

    name: str
    running: int
    renewed_at: datetime | None


async def department_queues(reads: Reads) -> list[DepartmentQueue]:
    """The queue of each department in the scope, by code. Raises `Forbidden`."""
    await _require(reads)
    limits = await reads.rows(_limits())
    waiting = {row.department_id: row for row in await reads.rows(_waiting())}
    running = {row.department_id: row for row in await reads.rows(_running())}
    return [_queue(row, waiting.get(row.id), running.get(row.id)) for row in limits]


async def worker_loads(reads: Reads) -> list[WorkerLoad]:
    """The workers that have jobs of the scope, by name. Raises `Forbidden`."""
    await _require(reads)
    rows = await reads.rows(_workers())
    return [WorkerLoad(row.leased_by, row.running, row.renewed_at) for row in rows]


async def queue_figures(database: Database) -> list[Row]:
    """The figures of all departments, for operators' metrics; nobody's scope holds here.

    Each row has ``department`` (its code), ``job_type``, ``waiting``, ``delayed``, ``running``,
    ``stuck`` and ``oldest_seconds``. Raises `Unavailable`.
    """
    return await database.call("select * from queue_figures()")


async def _require(reads: Reads) -> None:
    if Permission.JOB_OPERATE not in (await reads.scope()).permissions:
        message = f"This needs the permission {Permission.JOB_OPERATE}."
        raise Forbidden(message)


def _queue(department: Row, waiting: Row | None, running: Row | None) -> DepartmentQueue:
    return DepartmentQueue(
        department.id,
        department.max_running_jobs,
        waiting.waiting if waiting else 0,
        waiting.delayed if waiting else 0,
        running.running if running else 0,
        running.stuck if running else 0,
        waiting.oldest if waiting else None,
    )


@kept
def _limits() -> tuple[Executable, None]:
    chosen = select(Department.id, Department.max_running_jobs).where(visible(Department))
    return chosen.order_by(Department.code), None


@kept
def _waiting() -> tuple[Executable, None]:
    due = Job.available_at <= func.now()
    return (
        select(
            Job.department_id,
            func.count(case((due, 1))).label("waiting"),
            func.count(case((~due, 1))).label("delayed"),
            func.min(case((due, Job.available_at))).label("oldest"),
        )
        .where(Job.status == JobStatus.QUEUED, visible(Job))
        .group_by(Job.department_id),
        None,
    )


@kept
def _running() -> tuple[Executable, None]:
    return (
        select(
            Job.department_id,
            func.count().label("running"),
            func.count(case((Job.lease_expires_at < func.now(), 1))).label("stuck"),
        )
        .where(Job.status == JobStatus.PROCESSING, visible(Job))
        .group_by(Job.department_id),
        None,
    )


@kept
def _workers() -> tuple[Executable, None]:
    return (
        select(
            Job.leased_by,
            func.count().label("running"),
            func.min(Job.heartbeat_at).label("renewed_at"),
        )
        .where(Job.status == JobStatus.PROCESSING, visible(Job))
        .group_by(Job.leased_by)
        .order_by(Job.leased_by),
        None,
    )
