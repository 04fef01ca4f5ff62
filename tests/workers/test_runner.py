from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import Unavailable
from domain.jobs import protocol
from domain.jobs.actions import cancel_job
from domain.jobs.models import JobType
from workers.runner import Runner
from workers.runs import JobFailed, Run
from workers.sandbox import ChildStopped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from domain.database import Row
    from tests.domain.jobs.conftest import Desk
    from workers.runs import Parts


@pytest.fixture(autouse=True)
async def alone(desk: Desk) -> None:
    """No other test's jobs wait beside this one's: a claim takes from all departments."""
    await desk.rows.connection.execute(
        "update jobs set status = 'cancelled', completed_at = now(), lease_expires_at = null "
        "where status in ('queued', 'processing')"
    )


def runner(parts: Parts, handler: Callable[[Run], Awaitable[None]]) -> Runner:
    return Runner(parts, {JobType.ETL: handler})


async def ended(desk: Desk, job: Row, *statuses: str) -> Row:
    """The job once its status is one of these."""
    for _ in range(200):
        now = await desk.now("jobs", job.id)
        if now.status in statuses:
            return now
        await asyncio.sleep(0.05)
    raise AssertionError(now.status)


async def queued(desk: Desk, **values: object) -> Row:
    return await desk.rows.job(desk.department_id, desk.person.id, desk.dataset, **values)


async def until_stopped(run: Run) -> None:
    await run.stop.wait()
    raise ChildStopped


async def test_runs_a_job_to_its_published_end(desk: Desk, parts: Parts) -> None:
    async def handler(run: Run) -> None:
        run.report(50, "Half way")
        await asyncio.sleep(0.3)
        async with run.publishing() as work:
            work.own()
            await protocol.succeed(work, run.lease, message="Done.")

    job = await queued(desk)
    await runner(parts, handler).look()
    await ended(desk, job, "succeeded")
    events = await desk.events(job.id)
    assert events == [("status", "processing"), ("step", None), ("status", "succeeded")]


async def test_a_failure_ends_the_job_with_its_code(desk: Desk, parts: Parts) -> None:
    async def handler(_run: Run) -> None:
        raise JobFailed("NOT_THE_TYPE", "It is a picture.")

    job = await queued(desk)
    await runner(parts, handler).look()
    assert (await ended(desk, job, "failed")).error_code == "NOT_THE_TYPE"


async def test_a_defect_ends_the_job_with_its_traceback_and_a_masked_message(
    desk: Desk, parts: Parts
) -> None:
    async def handler(_run: Run) -> None:
        raise ZeroDivisionError("a secret")

    job = await queued(desk)
    await runner(parts, handler).look()
    failed = await ended(desk, job, "failed")
    assert (failed.error_code, failed.attempts) == ("INTERNAL", 1)
    assert "secret" not in failed.error_message
    assert "ZeroDivisionError" in failed.error_traceback


async def test_a_part_that_does_not_answer_is_tried_again_later(desk: Desk, parts: Parts) -> None:
    async def handler(_run: Run) -> None:
        raise Unavailable("The object storage does not answer.")

    job = await queued(desk)
    await runner(parts, handler).look()
    waiting = await ended(desk, job, "queued")
    assert waiting.error_code == "UNAVAILABLE"
    assert waiting.attempts == 1


async def test_a_cancel_stops_the_run(desk: Desk, parts: Parts) -> None:
    job = await queued(desk)
    await runner(parts, until_stopped).look()
    await ended(desk, job, "processing")
    async with desk.work() as work:
        await cancel_job(work, job.id)
    await ended(desk, job, "cancelled")
    assert (await desk.events(job.id))[-1] == ("status", "cancelled")


async def test_a_long_run_keeps_its_lease_and_a_lost_one_ends_it(desk: Desk, parts: Parts) -> None:
    stopped = asyncio.Event()

    async def handler(run: Run) -> None:
        await run.stop.wait()
        stopped.set()
        raise ChildStopped

    job = await queued(desk)
    await runner(parts, handler).look()
    await asyncio.sleep(2 * parts.settings.lease_seconds)
    held = await desk.now("jobs", job.id)
    assert held.status == "processing"
    assert held.lease_expires_at > held.heartbeat_at
    assert await desk.rows.connection.fetchval(
        "select lease_expires_at > now() from jobs where id = $1", job.id
    )
    await desk.rows.connection.execute(
        "update jobs set status = 'queued', lease_token = lease_token + 1, "
        "lease_expires_at = null where id = $1",
        job.id,
    )
    await asyncio.wait_for(stopped.wait(), 5)
    await asyncio.sleep(0.2)
    assert (await desk.now("jobs", job.id)).status == "queued"


async def test_a_stopping_worker_hands_back_what_is_not_done(desk: Desk, parts: Parts) -> None:
    job = await queued(desk)
    working = runner(parts, until_stopped)
    await working.look()
    await ended(desk, job, "processing")
    await working.stop(0.2)
    back = await desk.now("jobs", job.id)
    assert (back.status, back.max_attempts - back.attempts) == ("queued", job.max_attempts)
    await working.look()
    assert (await desk.now("jobs", job.id)).status == "queued"


async def test_runs_no_more_jobs_at_once_than_it_has_places(desk: Desk, parts: Parts) -> None:
    jobs = [
        await desk.rows.job(
            desk.department_id,
            desk.person.id,
            await desk.rows.dataset(desk.department_id, desk.person.id),
        )
        for _ in range(parts.settings.worker_concurrency + 1)
    ]
    working = runner(parts, until_stopped)
    await working.look()
    statuses = [(await desk.now("jobs", job.id)).status for job in jobs]
    assert statuses.count("processing") == parts.settings.worker_concurrency
    await working.stop(0)


async def test_a_creator_who_left_publishes_nothing(desk: Desk, parts: Parts) -> None:
    async def handler(run: Run) -> None:
        async with run.publishing() as work:
            work.own()
            await protocol.succeed(work, run.lease, message="Done.")

    job = await queued(desk)
    await desk.rows.connection.execute(
        "update users set is_active = false where id = $1", desk.person.id
    )
    await runner(parts, handler).look()
    assert (await ended(desk, job, "failed")).error_code == "UNAUTHENTICATED"
    # Its file is as good as it was.
    assert (await desk.now("datasets", desk.dataset.id)).status == "validated"


async def test_a_failure_is_written_once_the_database_is_back(
    desk: Desk, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = protocol.fail
    away = [True]

    async def fail(*given: Any) -> Any:
        if away.pop():
            away.append(False)
            message = "The database does not answer."
            raise Unavailable(message)
        return await written(*given)

    async def handler(_run: Run) -> None:
        raise JobFailed("NOT_THE_TYPE", "It is a picture.", blames_file=True)

    monkeypatch.setattr(protocol, "fail", fail)
    job = await queued(desk)
    await runner(parts, handler).look()
    failed = await ended(desk, job, "failed")
    assert (failed.error_code, failed.attempts) == ("NOT_THE_TYPE", 1)
    assert (await desk.now("datasets", desk.dataset.id)).status == "failed"
