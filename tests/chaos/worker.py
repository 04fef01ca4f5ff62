"""A worker process that knows one more type of job: one that is light, and needs no child."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from sqlalchemy import insert

from domain.jobs import protocol
from domain.jobs.models import JobType, Result
from domain.permissions import Permission
from domain.settings import Settings
from ops.worker import run_worker
from workers.runner import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workers.runs import Run

LIGHT = JobType.CONVERSION


async def run_light(run: Run) -> None:
    """Waits as long as it was told, in steps, and publishes a result that bears its lease's token.

    Two results of one job would be two publications: their types differ, so no constraint of the
    database would stop the second one.
    """
    steps = int(run.lease.params["steps"])
    for step in range(steps):
        run.report(step * 100 // steps, f"Step {step + 1}")
        await run.until_stopped(asyncio.sleep(run.lease.params["seconds"] / steps))
    async with run.publishing() as work:
        work.require(Permission.JOB_START, run.lease.department_id)
        await protocol.succeed(work, run.lease, message="Done.")
        await work.rows(
            insert(Result).values(
                department_id=run.lease.department_id,
                dataset_id=run.lease.dataset_id,
                job_id=run.lease.id,
                result_type=f"light-{run.lease.token}",
                payload={"attempt": run.lease.attempt},
            )
        )


if __name__ == "__main__":
    cast("dict[JobType, Callable[[Run], Awaitable[None]]]", HANDLERS)[LIGHT] = run_light
    run_worker(Settings())
