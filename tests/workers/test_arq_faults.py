"""Faults that arq has by itself, each with a test that shows it gone.

arq is only the bell here: nothing of a job is kept in Redis, so nothing of it can be lost there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis

from domain.errors import Unavailable
from domain.jobs import protocol
from domain.jobs.models import JobType
from domain.jobs.protocol import Lease, LeaseLost
from domain.permissions import Permission
from ops.bell import RedisBell, redis_settings
from workers.main import _answer_rings
from workers.runner import LOOK_SECONDS, Runner
from workers.sweeper import JOBS_SECONDS, Sweeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.database import Row
    from domain.settings import Settings
    from tests.domain.jobs.conftest import Desk
    from workers.runs import Parts, Run


@pytest.fixture(autouse=True)
async def alone(desk: Desk) -> None:
    """No other test's jobs wait beside this one's: a claim takes from all departments."""
    await desk.rows.connection.execute(
        "update jobs set status = 'cancelled', completed_at = now(), lease_expires_at = null "
        "where status in ('queued', 'processing')"
    )


@pytest.fixture
async def bell(settings: Settings) -> AsyncIterator[RedisBell]:
    made = RedisBell(settings)
    yield made
    await made.close()


async def flush(settings: Settings) -> None:
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        await redis.flushdb()


async def publish(run: Run) -> None:
    async with run.publishing() as work:
        work.require(Permission.JOB_START, run.lease.department_id)
        await protocol.succeed(work, run.lease, message="Done.")


@contextlib.asynccontextmanager
async def working(
    parts: Parts, settings: Settings, handler: Any = publish
) -> AsyncIterator[Runner]:
    """A worker of this process: its runner, its sweeper, and arq beside them."""
    runner = Runner(parts, {JobType.ETL: handler})
    tasks = [
        asyncio.create_task(runner.look_again_and_again()),
        asyncio.create_task(Sweeper(parts).sweep_again_and_again()),
        asyncio.create_task(_answer_rings(runner, redis_settings(settings))),
    ]
    try:
        yield runner
    finally:
        await runner.stop(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def queued(desk: Desk, **values: Any) -> Row:
    dataset = await desk.rows.dataset(desk.department_id, desk.person.id)
    return await desk.rows.job(desk.department_id, desk.person.id, dataset, **values)


async def ended(desk: Desk, job: Row, seconds: float = 10) -> Row:
    deadline = time.monotonic() + seconds
    while True:
        now = await desk.now("jobs", job.id)
        if now.status in ("succeeded", "failed", "cancelled"):
            return now
        assert time.monotonic() < deadline, now.status
        await asyncio.sleep(0.05)


async def lost_lease(desk: Desk, seconds: float) -> Lease:
    """Claims a job as a worker that dies at that moment."""
    (lease,) = await protocol.claim(desk.database, "dead", seconds, [JobType.ETL], desk.bell)
    return lease


async def test_a_flush_of_redis_loses_no_job(
    desk: Desk, parts: Parts, settings: Settings, bell: RedisBell
) -> None:
    jobs = [await queued(desk) for _ in range(6)]
    for job in jobs:
        await bell.work(job.queue_message_id)
    await flush(settings)
    flushed = asyncio.Event()

    async def slow(run: Run) -> None:
        if not flushed.is_set():
            flushed.set()
            await flush(settings)
        await publish(run)

    async with working(parts, settings, slow):
        for job in jobs:
            assert (await ended(desk, job)).status == "succeeded"


async def test_a_job_that_waits_for_days_keeps_what_it_was_given(
    desk: Desk, parts: Parts, settings: Settings
) -> None:
    given: list[Any] = []

    async def note(run: Run) -> None:
        given.append(run.lease.params)
        await publish(run)

    job = await queued(desk, params={"kept": 1})
    await desk.rows.connection.execute(
        "update jobs set created_at = now() - interval '30 days', "
        "available_at = now() - interval '30 days' where id = $1",
        job.id,
    )
    async with working(parts, settings, note):
        assert (await ended(desk, job)).status == "succeeded"
    assert given == [{"kept": 1}]


async def test_a_job_whose_worker_died_runs_again_within_its_lease_and_a_sweep(
    desk: Desk, parts: Parts, settings: Settings
) -> None:
    job = await queued(desk)
    lease = parts.settings.lease_seconds
    began = time.monotonic()
    await lost_lease(desk, lease)
    async with working(parts, settings):
        assert (await ended(desk, job)).attempts == 2
    assert time.monotonic() - began < lease + JOBS_SECONDS + LOOK_SECONDS + 3


async def test_how_long_other_jobs_may_take_delays_nothing(
    desk: Desk, parts: Parts, settings: Settings
) -> None:
    patient = parts.settings.model_copy(update={"child_seconds": 24 * 3600})
    stays = asyncio.Event()
    first = await queued(desk, priority=10)
    lost = await queued(desk)

    async def handler(run: Run) -> None:
        if run.lease.id == first.id:
            await run.until_stopped(stays.wait())
        await publish(run)

    async with working(replace(parts, settings=patient), settings, handler):
        await ended(desk, lost)
        again = await queued(desk)
        await desk.rows.connection.execute(
            "update jobs set status = 'processing', attempts = 1, lease_token = 1, "
            "leased_by = 'dead', lease_expires_at = now() where id = $1",
            again.id,
        )
        assert (await ended(desk, again)).status == "succeeded"
        assert (await desk.now("jobs", first.id)).status == "processing"
        stays.set()
        assert (await ended(desk, first)).attempts == 1


async def test_a_long_job_gives_signs_of_life_and_is_given_to_nobody_else(
    desk: Desk, parts: Parts, settings: Settings
) -> None:
    job = await queued(desk)
    lease = parts.settings.lease_seconds

    async def long(run: Run) -> None:
        await run.until_stopped(asyncio.sleep(2 * lease))
        await publish(run)

    async with working(parts, settings, long):
        done = await ended(desk, job, 4 * lease + 5)
    assert (done.status, done.attempts) == ("succeeded", 1)
    assert done.heartbeat_at - done.started_at > timedelta(seconds=lease)


async def test_what_is_started_again_while_it_seems_to_run_is_not_ignored(
    desk: Desk, parts: Parts, settings: Settings, bell: RedisBell
) -> None:
    job = await queued(desk)
    stale = await lost_lease(desk, 0)
    # The same message again and again: in arq alone all but the first would be dropped.
    for _ in range(3):
        await bell.work(job.queue_message_id)
    async with working(parts, settings):
        assert (await ended(desk, job)).attempts == 2

    # The worker that was thought dead, and wakes now, can publish nothing.
    async def publish_late() -> None:
        async with desk.work() as work:
            work.own()
            await protocol.succeed(work, stale, message="Late.")

    with pytest.raises(LeaseLost):
        await publish_late()
    outcomes = await desk.rows.connection.fetch(
        "select outcome from job_attempts where job_id = $1 order by attempt", job.id
    )
    assert [row["outcome"] for row in outcomes] == ["lost", "succeeded"]


async def test_an_exception_is_not_final_where_another_attempt_may_go_well(
    desk: Desk, parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "BACKOFF_SECONDS", 0.2)
    tried = []

    async def flaky(run: Run) -> None:
        tried.append(run.lease.attempt)
        if len(tried) < 3:
            message = "The object storage does not answer."
            raise Unavailable(message)
        await publish(run)

    job = await queued(desk)
    async with working(parts, settings, flaky):
        assert (await ended(desk, job)).status == "succeeded"
    assert tried == [1, 2, 3]
