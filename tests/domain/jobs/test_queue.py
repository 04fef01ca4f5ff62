from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import Forbidden
from domain.jobs.queue import department_queues, worker_loads

if TYPE_CHECKING:
    from tests.domain.jobs.conftest import Desk
    from tests.factories.rows import Person, Rows


@pytest.fixture
async def manager(desk: Desk) -> Person:
    return await desk.rows.person(desk.department_id, roles=("manager",))


async def fill(desk: Desk) -> None:
    """One job that waits, one that waits for its time, two that run, one of them stuck."""
    now = datetime.now(UTC)
    many: tuple[dict[str, Any], ...] = (
        {"available_at": now - timedelta(minutes=5)},
        {"available_at": now + timedelta(minutes=5)},
        {"status": "processing", "leased_by": "a", "lease_expires_at": now + timedelta(hours=1)},
        {"status": "processing", "leased_by": "b", "lease_expires_at": now - timedelta(hours=1)},
        {"status": "succeeded"},
    )
    for values in many:
        await desk.rows.job(desk.department_id, desk.person.id, job_type="eda", **values)


async def test_counts_what_waits_and_runs_in_each_department_of_the_scope(
    desk: Desk, manager: Person
) -> None:
    await fill(desk)
    async with desk.reads(manager) as reads:
        (queue,) = await department_queues(reads)
    assert queue.department_id == desk.department_id
    assert (queue.waiting, queue.delayed, queue.running, queue.stuck) == (1, 1, 2, 1)
    assert queue.limit == 4
    assert queue.oldest_waiting_at is not None
    assert datetime.now(UTC) - queue.oldest_waiting_at > timedelta(minutes=4)


async def test_names_the_workers_with_jobs_of_the_scope(desk: Desk, manager: Person) -> None:
    await fill(desk)
    async with desk.reads(manager) as reads:
        loads = await worker_loads(reads)
    assert [(load.name, load.running) for load in loads] == [("a", 1), ("b", 1)]


async def test_tells_a_stranger_nothing_of_it(desk: Desk, rows: Rows) -> None:
    await fill(desk)
    other = await rows.person(await rows.department(), roles=("manager",))
    async with desk.reads(other) as reads:
        (queue,) = await department_queues(reads)
        assert (queue.waiting, queue.delayed, queue.running, queue.stuck) == (0, 0, 0, 0)
        assert await worker_loads(reads) == []


async def test_refuses_whoever_operates_nothing(desk: Desk) -> None:
    async with desk.reads() as reads:
        with pytest.raises(Forbidden):
            await department_queues(reads)
        with pytest.raises(Forbidden):
            await worker_loads(reads)
