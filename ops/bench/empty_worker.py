"""A worker whose jobs do nothing, which `bench jobs` measures: the protocol's own cost is left.

Two types of job that the product has no work for yet stand for the two ways to work: CONVERSION
without a child, EXTRACTION in one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from domain.jobs import protocol
from domain.jobs.models import JobType
from domain.permissions import Permission
from domain.settings import MiB, Settings
from ops.worker import run_worker
from workers.runner import HANDLERS
from workers.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from workers.runs import Run

WITHOUT_CHILD = JobType.CONVERSION
IN_CHILD = JobType.EXTRACTION


async def publish_nothing(run: Run) -> None:
    """Ends the job well, with all guards."""
    async with run.publishing() as work:
        work.require(Permission.JOB_START, run.lease.department_id)
        await protocol.succeed(work, run.lease, message="Done.")


def main(folder: Path) -> None:
    """Works until it is terminated; job directories are made in ``folder``."""
    limits = Limits(512 * MiB, cpu_seconds=60, wall_seconds=60, file_bytes=MiB, processes=64)
    sandbox = Sandbox(limits, folder, tasks="ops.bench.empty_tasks")

    async def in_child(run: Run) -> None:
        async with sandbox.directory() as directory:
            await sandbox.run(
                "nothing",
                directory,
                {"input": "input", "file_type": "csv"},
                on_progress=lambda _percent, _step: None,
                stop=run.stop,
            )
        await publish_nothing(run)

    handlers = cast("dict[JobType, Callable[[Run], Awaitable[None]]]", HANDLERS)
    handlers.clear()
    handlers.update({WITHOUT_CHILD: publish_nothing, IN_CHILD: in_child})
    run_worker(Settings())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
