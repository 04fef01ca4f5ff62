"""What becomes of jobs whose worker stopped answering."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.factories.databases import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.database import Row
    from domain.settings import Settings
    from tests.factories.rows import Rows

NONE = timedelta(0)
"""The servers of the tests are young; a lease of no length is older."""

SWEEP = "select * from sweep_jobs($1)"


@pytest.fixture(autouse=True)
async def nothing_runs(owner: Any) -> None:
    await owner.execute("truncate jobs cascade")


@pytest.fixture
async def sweeper(settings: Settings) -> AsyncIterator[Any]:
    """The application's role, in no scope at all."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        yield connection


async def running(rows: Rows, *, lost: bool = True, **values: Any) -> Row:
    """A job that a worker has, and its attempt; its lease ran out a second ago if ``lost``."""
    department_id = await rows.department()
    person = await rows.person(department_id)
    dataset = await rows.dataset(department_id, person.id, status="processing")
    given = {
        "status": "processing",
        "attempts": 1,
        "lease_token": 7,
        "leased_by": "w1",
        "progress": 40,
        "current_step": "Half way",
        "lease_expires_at": datetime.now(UTC) + timedelta(seconds=-1 if lost else 15),
    }
    job = await rows.job(department_id, person.id, dataset, **given | values)
    await rows.attempt(job)
    return job


async def now(rows: Rows, job: Row) -> Row:
    found: Row = await rows.connection.fetchrow("select * from jobs where id = $1", job.id)
    return found


async def test_queues_a_lost_job_again_under_a_new_token(sweeper: Any, rows: Rows) -> None:
    lost = await running(rows)
    (swept,) = await sweeper.fetch(SWEEP, NONE)
    assert tuple(swept) == (lost.id, lost.department_id, "queued")
    job = await now(rows, lost)
    assert (job.status, job.lease_token, job.attempts) == ("queued", 8, 1)
    assert (job.leased_by, job.lease_expires_at, job.current_step) == (None, None, None)
    assert job.available_at <= datetime.now(UTC)
    attempt = await rows.connection.fetchrow(
        "select * from job_attempts where job_id = $1", lost.id
    )
    assert (attempt.outcome, attempt.error_code) == ("lost", "LEASE_LOST")
    assert attempt.ended_at is not None
    (event,) = await rows.connection.fetch("select * from job_events where job_id = $1", lost.id)
    assert (event.kind, event.status, event.progress) == ("status", "queued", 40)
    assert event.dataset_id == lost.dataset_id
    assert await sweeper.fetch(SWEEP, NONE) == []


async def test_fails_a_job_whose_attempts_are_used_up(sweeper: Any, rows: Rows) -> None:
    lost = await running(rows, attempts=3)
    (swept,) = await sweeper.fetch(SWEEP, NONE)
    assert swept.status == "failed"
    job = await now(rows, lost)
    assert (job.error_code, job.completed_at is None) == ("LEASE_LOST", False)
    assert job.error_message == "The worker stopped answering in each of 3 attempts."
    dataset = await rows.connection.fetchrow(
        "select * from datasets where id = $1", lost.dataset_id
    )
    # Three workers that died say nothing of the file.
    assert (dataset.status, dataset.validation_errors) == ("validated", None)


@pytest.mark.parametrize("attempts", [1, 3])
async def test_cancels_a_lost_job_whose_cancel_was_asked(
    sweeper: Any, rows: Rows, attempts: int
) -> None:
    lost = await running(rows, attempts=attempts, cancel_requested_at=datetime.now(UTC))
    (swept,) = await sweeper.fetch(SWEEP, NONE)
    assert swept.status == "cancelled"
    job = await now(rows, lost)
    assert (job.status, job.error_code, job.error_message) == ("cancelled", None, None)
    assert job.completed_at is not None
    status = await rows.connection.fetchval(
        "select status from datasets where id = $1", lost.dataset_id
    )
    assert status == "validated"


async def test_leaves_what_is_still_held(sweeper: Any, rows: Rows) -> None:
    held = await running(rows, lost=False)
    assert await sweeper.fetch(SWEEP, NONE) == []
    assert dict((await now(rows, held)).items()) == dict(held.items())


async def test_waits_until_the_server_is_older_than_a_lease(sweeper: Any, rows: Rows) -> None:
    lost = await running(rows)
    assert await sweeper.fetch(SWEEP, timedelta(days=3650)) == []
    assert (await now(rows, lost)).status == "processing"


@pytest.mark.parametrize(("down", "taken"), [(0.2, True), (100, False)])
async def test_leases_last_longer_by_the_time_that_the_server_was_down(
    sweeper: Any, rows: Rows, *, down: float, taken: bool
) -> None:
    lost = await running(rows)
    other = await running(rows, lost=False)
    started = await rows.connection.fetchval("select pg_postmaster_start_time()")
    # The last sign of life before the server's start.
    await rows.event(other, created_at=started - timedelta(seconds=down))
    swept = await sweeper.fetch(SWEEP, timedelta(seconds=15))
    assert [row.id for row in swept] == ([lost.id] if taken else [])


async def test_sweeps_one_at_a_time(sweeper: Any, settings: Settings, rows: Rows) -> None:
    await running(rows)
    async with connected(settings.database_url.get_secret_value()) as other:
        transaction = other.transaction()
        await transaction.start()
        assert len(await other.fetch(SWEEP, NONE)) == 1
        async with asyncio.timeout(5):
            assert await sweeper.fetch(SWEEP, NONE) == []
        await transaction.rollback()
    assert len(await sweeper.fetch(SWEEP, NONE)) == 1


async def test_goes_past_a_job_that_its_worker_is_ending(
    sweeper: Any, settings: Settings, rows: Rows
) -> None:
    ending, lost = await running(rows), await running(rows)
    async with connected(settings.database_url.get_secret_value()) as worker:
        transaction = worker.transaction()
        await transaction.start()
        await worker.execute(
            "select set_config('app.department_ids', $1, true)", f"{{{ending.department_id}}}"
        )
        taken = await worker.execute("select id from jobs where id = $1 for update", ending.id)
        assert taken == "SELECT 1"
        async with asyncio.timeout(5):
            (swept,) = await sweeper.fetch(SWEEP, NONE)
        await transaction.rollback()
    assert swept.id == lost.id


async def test_takes_many_back_at_once(sweeper: Any, rows: Rows) -> None:
    lost = [await running(rows) for _ in range(5)]
    swept = await sweeper.fetch(SWEEP, NONE)
    assert {row.id for row in swept} == {job.id for job in lost}
    events = await rows.connection.fetch("select job_id from job_events order by id")
    assert {row.job_id for row in events} == {job.id for job in lost}
