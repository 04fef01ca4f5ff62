"""How many empty jobs a second one worker gets done, beside bare arq with as many at once."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import TYPE_CHECKING

from arq import create_pool
from arq.connections import RedisSettings
from sqlalchemy import select

from domain.bell import Silence
from domain.catalog.models import Dataset
from domain.database import Database
from domain.jobs.actions import queue_job
from domain.permissions import Permission
from domain.scope import Identity
from domain.work import working
from ops.bench.bare_arq import NOTHING_QUEUE
from ops.bench.empty_worker import IN_CHILD, WITHOUT_CHILD
from ops.bench.rows import Row, compared
from ops.bench.stack import ROOT
from ops.failure import CommandFailed
from ops.servers.process import ChildProcess

if TYPE_CHECKING:
    from uuid import UUID

    from domain.jobs.models import JobType
    from ops.bench.stack import Stack

AT_ONCE = 10
"""How many run at once: arq's own number."""

LIMIT_SECONDS = 120
QUEUED_AT_ONCE = 100


async def bench_throughput(
    stack: Stack, dataset_id: UUID, rounds: int, jobs: int, children: int
) -> list[Row]:
    """Runs ``jobs`` empty jobs and as many of bare arq's, in turn, and ``children`` in a child.

    The product's own worker must not run beside.
    """
    # One department's jobs are to fill the worker, as arq's one queue does.
    await stack.as_owner("update departments set max_running_jobs = $1", AT_ONCE)
    database = Database(stack.settings)
    await database.open()
    try:
        ours, bare, in_child = [], [], []
        for _ in range(rounds):
            ours.append(await _rate(stack, database, dataset_id, WITHOUT_CHILD, jobs))
            bare.append(await _bare_rate(stack, jobs))
            in_child.append(await _rate(stack, database, dataset_id, IN_CHILD, children))
    finally:
        await database.close()
    case = f"one worker, {AT_ONCE} at once"
    return [
        compared(
            "jobs",
            case,
            "empty jobs without a child",
            statistics.median(ours),
            "jobs/s",
            "bare arq, polling every 30 ms",
            statistics.median(bare),
        ),
        Row("jobs", case, "empty jobs in a child", statistics.median(in_child), "jobs/s"),
    ]


async def _rate(
    stack: Stack, database: Database, dataset_id: UUID, job_type: JobType, count: int
) -> float:
    """Queues jobs, then starts the worker, and gives the jobs a second from first to last."""
    began = (await stack.as_owner("select clock_timestamp()"))[0][0]
    await _queue(stack, database, dataset_id, job_type, count)
    worker = ChildProcess(stack.data, "empty-worker")
    command = [sys.executable, "-m", "ops.bench.empty_worker", str(stack.folder / "children")]
    env = {**stack.environment, "AETHERFLOW_WORKER_CONCURRENCY": str(AT_ONCE)}
    await worker.start(command, cwd=ROOT, env=env)
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        while True:
            await asyncio.sleep(0.2)
            ended, seconds = (
                await stack.as_owner(
                    "select count(*), extract(epoch from max(completed_at) - min(started_at)) "
                    "from jobs where status = 'succeeded' and created_at > $1",
                    began,
                )
            )[0]
            if ended == count:
                return count / float(seconds)
            if time.monotonic() > deadline:
                message = worker.complaint(f"got {ended} of {count} jobs done in time")
                raise CommandFailed(message)
    finally:
        await worker.stop()


async def _queue(
    stack: Stack, database: Database, dataset_id: UUID, job_type: JobType, count: int
) -> None:
    user_id = (await stack.as_owner("select uploader_id from datasets where id = $1", dataset_id))[
        0
    ][0]
    for start in range(0, count, QUEUED_AT_ONCE):
        async with working(database, Identity(user_id, None), Silence()) as work:
            dataset = await work.row(
                select(Dataset.id, Dataset.department_id).where(Dataset.id == dataset_id)
            )
            assert dataset is not None  # noqa: S101 (the bench has just made it)
            work.require(Permission.JOB_START, dataset.department_id)
            for _ in range(min(QUEUED_AT_ONCE, count - start)):
                await queue_job(work, dataset, job_type)


async def _bare_rate(stack: Stack, count: int) -> float:
    """Enqueues calls of bare arq, then starts its worker, and gives the calls a second."""
    url = stack.settings.redis_url.get_secret_value()
    pool = await create_pool(RedisSettings.from_dsn(url))
    try:
        for _ in range(count):
            await pool.enqueue_job("nothing", _queue_name=NOTHING_QUEUE)
    finally:
        await pool.aclose()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops.bench.bare_arq",
        url,
        "burst",
        str(AT_ONCE),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    ran, seconds = told.split()
    if int(ran) != count:
        message = f"bare arq ran {int(ran)} of {count} calls."
        raise CommandFailed(message)
    return count / float(seconds)
