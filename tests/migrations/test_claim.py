"""Which job is next, and that nobody else gets it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from domain.catalog.models import DatasetStatus
from domain.jobs.models import JobType
from tests.factories.databases import connected
from tests.migrations.test_transitions import ALLOWED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.database import Row
    from domain.settings import Settings
    from tests.factories.rows import Person, Rows

LEASE = timedelta(seconds=15)
TYPES = [str(job_type) for job_type in JobType]
CLAIM = "select * from claim_jobs($1, $2, $3, 1)"


@pytest.fixture(autouse=True)
async def nothing_waits(owner: Any) -> None:
    await owner.execute("truncate jobs cascade")


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[Any]:
    """The application's role, in no scope at all."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        yield connection


@pytest.fixture
async def person(rows: Rows) -> Person:
    return await rows.person()


async def claimed(worker: Any, types: list[str] = TYPES) -> Row | None:
    row: Row | None = await worker.fetchrow(CLAIM, "w1", LEASE, types)
    return row


async def claims(worker: Any) -> list[UUID]:
    found = []
    while (row := await claimed(worker)) is not None:
        found.append(row.id)
    return found


async def test_takes_the_most_urgent_then_the_oldest(
    worker: Any, rows: Rows, person: Person
) -> None:
    department_id = await rows.department()
    usual = await rows.job(department_id, person.id)
    second = await rows.job(department_id, person.id)
    urgent = await rows.job(department_id, person.id, priority=10)
    idle = await rows.job(department_id, person.id, priority=1)
    assert await claims(worker) == [urgent.id, usual.id, second.id, idle.id]


async def test_shares_fairly_between_departments_of_equal_urgency(
    worker: Any, rows: Rows, person: Person
) -> None:
    busy, quiet = await rows.department(), await rows.department()
    first = [await rows.job(busy, person.id) for _ in range(3)]
    late = await rows.job(quiet, person.id)
    assert await claims(worker) == [first[0].id, late.id, first[1].id, first[2].id]


async def test_puts_urgency_before_fairness(worker: Any, rows: Rows, person: Person) -> None:
    busy, quiet = await rows.department(), await rows.department()
    first = [await rows.job(busy, person.id, priority=6) for _ in range(2)]
    late = await rows.job(quiet, person.id, priority=5)
    assert await claims(worker) == [first[0].id, first[1].id, late.id]


async def test_keeps_a_department_to_its_limit(worker: Any, rows: Rows, person: Person) -> None:
    narrow, wide = await rows.department(max_running_jobs=1), await rows.department()
    urgent = [await rows.job(narrow, person.id, priority=9) for _ in range(2)]
    other = await rows.job(wide, person.id)
    assert await claims(worker) == [urgent[0].id, other.id]
    await rows.connection.execute(
        "update jobs set status = 'succeeded', lease_expires_at = null, completed_at = now() "
        "where id = $1",
        urgent[0].id,
    )
    assert await claims(worker) == [urgent[1].id]


async def test_leaves_what_waits_for_its_time(worker: Any, rows: Rows, person: Person) -> None:
    department_id = await rows.department()
    soon = datetime.now(UTC) + timedelta(minutes=5)
    job = await rows.job(department_id, person.id, available_at=soon)
    assert await claimed(worker) is None
    await rows.connection.execute(
        "update jobs set available_at = clock_timestamp() where id = $1", job.id
    )
    assert await claims(worker) == [job.id]


async def test_takes_only_types_that_the_worker_knows(
    worker: Any, rows: Rows, person: Person
) -> None:
    department_id = await rows.department()
    await rows.job(department_id, person.id, job_type="training", priority=10)
    eda = await rows.job(department_id, person.id, job_type="eda")
    found = await claimed(worker, ["eda", "etl"])
    assert found
    assert found.id == eda.id
    assert await claimed(worker, ["eda", "etl"]) is None
    assert await claimed(worker, []) is None


async def test_gives_all_that_a_worker_needs_and_notes_who_has_it(
    worker: Any, rows: Rows, person: Person
) -> None:
    department_id = await rows.department()
    dataset = await rows.dataset(department_id, person.id)
    before = await rows.job(
        department_id, person.id, dataset, params={"a": 1}, progress=40, error_message="Lost."
    )
    found = await claimed(worker)
    assert found
    assert dict(found.items()) == {
        "id": before.id,
        "department_id": department_id,
        "dataset_id": dataset.id,
        "job_type": "etl",
        "created_by": person.id,
        "params": {"a": 1},
        "attempt": 1,
        "max_attempts": 3,
        "lease_token": 1,
    }
    job = await rows.connection.fetchrow("select * from jobs where id = $1", before.id)
    assert (job.status, job.attempts, job.lease_token, job.leased_by) == ("processing", 1, 1, "w1")
    assert job.lease_expires_at - job.heartbeat_at == pytest.approx(LEASE, abs=timedelta(seconds=1))
    assert (job.progress, job.current_step, job.error_message) == (0, None, None)
    assert job.started_at is not None
    attempt = await rows.connection.fetchrow(
        "select * from job_attempts where job_id = $1", before.id
    )
    assert (attempt.attempt, attempt.lease_token, attempt.worker) == (1, 1, "w1")
    assert (attempt.outcome, attempt.ended_at) == (None, None)
    event = await rows.connection.fetchrow("select * from job_events where job_id = $1", before.id)
    assert (event.kind, event.status, event.progress) == ("status", "processing", 0)
    assert (event.dataset_id, event.message) == (dataset.id, "Attempt 1 of 3 began.")


async def test_never_gives_a_job_to_two_workers_nor_a_department_more_than_its_limit(
    settings: Settings, rows: Rows, person: Person
) -> None:
    limits = {await rows.department(max_running_jobs=limit): limit for limit in (3, 5, 20)}
    for department_id in limits:
        for _ in range(15):
            await rows.job(department_id, person.id)

    async def work() -> list[Row]:
        mine = []
        async with connected(settings.database_url.get_secret_value()) as connection:
            while (row := await claimed(connection)) is not None:
                mine.append(row)
        return mine

    found = [row for mine in await asyncio.gather(*(work() for _ in range(8))) for row in mine]
    assert len({row.id for row in found}) == len(found) == 3 + 5 + 15
    for department_id, limit in limits.items():
        running = [row for row in found if row.department_id == department_id]
        assert len(running) == min(limit, 15)


async def test_goes_past_a_job_that_somebody_is_cancelling(
    worker: Any, rows: Rows, person: Person
) -> None:
    department_id = await rows.department()
    first = await rows.job(department_id, person.id)
    second = await rows.job(department_id, person.id)
    cancelling = rows.connection.transaction()
    await cancelling.start()
    await rows.connection.execute("select id from jobs where id = $1 for update", first.id)
    assert await claims(worker) == [second.id]
    await cancelling.rollback()
    assert await claims(worker) == [first.id]


async def test_does_not_hold_up_who_writes_an_event_of_a_job_that_it_looked_at(
    worker: Any, rows: Rows, person: Person
) -> None:
    chosen = await rows.job(await rows.department(), person.id, priority=9)
    passed_over = await rows.job(await rows.department(), person.id)
    claim = worker.transaction()
    await claim.start()
    found = await claimed(worker)
    assert found
    assert found.id == chosen.id
    async with asyncio.timeout(5):
        await rows.event(passed_over)
    await claim.rollback()


@pytest.mark.parametrize("job_type", ["validation", "etl"])
@pytest.mark.parametrize("status", list(DatasetStatus))
async def test_never_fails_for_the_sake_of_a_dataset(
    worker: Any, rows: Rows, person: Person, status: str, job_type: str
) -> None:
    department_id = await rows.department()
    dataset = await rows.dataset(department_id, person.id, status=status)
    job = await rows.job(department_id, person.id, dataset, job_type=job_type)
    assert await claims(worker) == [job.id]
    wanted = "validating" if job_type == "validation" else "processing"
    expected = wanted if wanted in ALLOWED["datasets"][status] else status
    now = await rows.connection.fetchval("select status from datasets where id = $1", dataset.id)
    assert now == expected


@pytest.mark.parametrize("job_type", ["validation", "etl"])
async def test_claims_the_retry_of_a_dataset_whose_bytes_live_on_in_another(
    worker: Any, owner: Any, rows: Rows, person: Person, job_type: str
) -> None:
    department_id = await rows.department()
    same = {"file_hash_sha256": "b" * 64}
    failed = await rows.dataset(department_id, person.id, status="failed", **same)
    await rows.dataset(department_id, person.id, status="completed", **same)
    job = await rows.job(department_id, person.id, failed, job_type=job_type)
    assert await claims(worker) == [job.id]
    # It may run, but can't end as if it were the only one.
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await owner.execute(
            "update jobs set status = 'succeeded', lease_expires_at = null, completed_at = now() "
            "where id = $1",
            job.id,
        )
    assert refusal.value.sqlstate == "AF409"
    await owner.execute(
        "update jobs set status = 'failed', lease_expires_at = null, completed_at = now() "
        "where id = $1",
        job.id,
    )
    assert await owner.fetchval("select status from datasets where id = $1", failed.id) == "failed"
