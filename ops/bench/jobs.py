"""`bench jobs`: from the commit of startJob to the worker's start, beside bare arq."""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from arq import create_pool
from arq.connections import RedisSettings

from graph.scalars import decoded_id
from ops.bench.bare_arq import HEARD, queue_of
from ops.bench.rows import Row, compared, ninth_decile
from ops.bench.stack import DEPARTMENT, ROOT, running_stack, running_worker
from ops.bench.throughput import bench_throughput
from ops.failure import CommandFailed
from ops.uploading.file import read_file
from ops.uploading.following import follow_dataset
from ops.uploading.sending import Wanted, begin_upload, finish_upload
from workers.main import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from arq import ArqRedis

    from ops.bench.stack import Stack
    from ops.client import Client

BENCH = "jobs"
CASE = "one idle worker"
LIMIT_SECONDS = 60
THROUGHPUT_ROUNDS = 3

ARQ_POLL_SECONDS = 0.5
"""How often arq looks at its queue unless it is told otherwise."""

START = """
mutation Start($input: StartJobInput!) { startJob(input: $input) { job { id } } }
"""

JOB = """
query Job($id: ID!) { job(id: $id) { status createdAt startedAt errorMessage } }
"""


def bench_jobs(rounds: int, jobs: int, children: int) -> list[Row]:
    """Starts ``rounds`` jobs, and as many calls of each bare arq, in turn; then the throughput.

    That is measured over ``jobs`` empty jobs without a child and ``children`` in one.
    """
    return asyncio.run(_bench(rounds, jobs, children))


async def _bench(rounds: int, jobs: int, children: int) -> list[Row]:
    async with running_stack() as stack, stack.client() as client:
        url = stack.settings.redis_url.get_secret_value()
        ours: list[float] = []
        bare: dict[float, list[float]] = {POLL_SECONDS: [], ARQ_POLL_SECONDS: []}
        async with running_worker(stack), _bare_workers(url, bare), await _pool(url) as pool:
            dataset_id = await _dataset(stack, client)
            # The first call of each makes connections and is not counted.
            for counted in range(-1, rounds):
                delay = await _job_delay(client, dataset_id)
                others = {poll: await _arq_delay(pool, poll) for poll in bare}
                if counted >= 0:
                    ours.append(delay)
                    for poll, other in others.items():
                        bare[poll].append(other)
        throughput = await bench_throughput(
            stack, decoded_id(dataset_id)[1], THROUGHPUT_ROUNDS, jobs, children
        )
    median, tail = statistics.median(ours), ninth_decile(ours)
    rows = []
    for poll, delays in bare.items():
        reference = f"bare arq, polling every {poll * 1000:.0f} ms"
        for metric, value, other in (
            ("commit to start, median", median, statistics.median(delays)),
            ("commit to start, 90th percentile", tail, ninth_decile(delays)),
        ):
            rows.append(compared(BENCH, CASE, metric, value * 1000, "ms", reference, other * 1000))
    return rows + throughput


async def _dataset(stack: Stack, client: Client) -> str:
    source = stack.folder / "small.csv"
    lines = "".join(f"{number},{number * 7 % 13}\n" for number in range(1000))
    source.write_text(f"number,value\n{lines}")
    file = read_file(source, lambda _size: None)
    upload = await begin_upload(client, file, Wanted(DEPARTMENT))
    await finish_upload(client, file, Wanted(DEPARTMENT), upload, lambda _size: None)
    async for news in follow_dataset(client, upload.dataset_id):
        if news.status == "FAILED":
            message = f"the {news.job_type} failed: {news.text}"
            raise CommandFailed(message)
    return upload.dataset_id


async def _job_delay(client: Client, dataset_id: str) -> float:
    """Starts a job and gives the seconds until a worker had claimed it.

    Counted by the database's clock from the start of the transaction that commits the job, so the
    commit itself is in it.
    """
    await _any_moment()
    # No other job follows one of this type, to take its place from the next.
    given = {"datasetId": dataset_id, "jobType": "ML_INFERENCE"}
    job_id = (await client.ask(START, {"input": given}))["startJob"]["job"]["id"]
    job = await _ended(client, job_id)
    created, started = (datetime.fromisoformat(job[name]) for name in ("createdAt", "startedAt"))
    return (started - created).total_seconds()


async def _ended(client: Client, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        job: dict[str, Any] = (await client.ask(JOB, {"id": job_id}))["job"]
        if job["status"] == "SUCCEEDED":
            return job
        if job["status"] in {"FAILED", "CANCELLED"}:
            message = f"a job did not succeed: {job['errorMessage']}"
            raise CommandFailed(message)
        await asyncio.sleep(0.1)
    message = f"a job did not end within {LIMIT_SECONDS} s: is a worker running?"
    raise CommandFailed(message)


async def _arq_delay(pool: ArqRedis, poll: float) -> float:
    """Enqueues a call of bare arq and gives the seconds until it ran, by the machine's clock."""
    await _any_moment()
    began = time.time()
    await pool.enqueue_job("note", _queue_name=queue_of(poll))
    # The driver's types say that each answer may come at once or later; here it comes later.
    heard = await cast("Awaitable[Any]", pool.blpop([HEARD], timeout=LIMIT_SECONDS))
    if heard is None:
        message = f"bare arq ran nothing within {LIMIT_SECONDS} s."
        raise CommandFailed(message)
    return float(heard[1]) - began


async def _any_moment() -> None:
    # A fixed pause would meet the pollers at the same point of their rounds each time.
    await asyncio.sleep(random.uniform(0.2, 1.2))  # noqa: S311 (it guards nothing)


async def _pool(url: str) -> ArqRedis:
    return await create_pool(RedisSettings.from_dsn(url))


@asynccontextmanager
async def _bare_workers(url: str, polls: dict[float, list[float]]) -> AsyncIterator[None]:
    """Runs one process of bare arq for each way of polling, until the context ends."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ops.bench.bare_arq", url, str(poll), cwd=ROOT
        )
        for poll in polls
    ]
    try:
        yield
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
            await process.wait()
