from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from domain.errors import Conflict, DomainError, Forbidden, InvalidInput, NotFound
from domain.jobs.actions import cancel_job, cancel_jobs_of, retry_job, start_job
from domain.jobs.models import JobType

if TYPE_CHECKING:
    from tests.domain.jobs.conftest import Desk
    from tests.factories.rows import Person


async def count_jobs(desk: Desk) -> int:
    found: int = await desk.rows.connection.fetchval(
        "select count(*) from jobs where department_id = $1", desk.department_id
    )
    return found


async def test_starts_a_job_with_its_event_and_rings_once_it_is_committed(desk: Desk) -> None:
    async with desk.work() as work:
        job_id = await start_job(work, desk.dataset.id, JobType.ETL, params={"a": 1}, priority=7)
        assert desk.bell.rung == []
    job = await desk.now("jobs", job_id)
    assert (job.status, job.priority, job.params) == ("queued", 7, {"a": 1})
    assert job.created_by == desk.person.id
    assert desk.bell.rung == [job.queue_message_id]
    assert await desk.events(job_id) == [("status", "queued")]


@pytest.mark.parametrize("priority", [0, 11, -3])
async def test_rejects_a_priority_outside_one_to_ten(desk: Desk, priority: int) -> None:
    with pytest.raises(InvalidInput):
        async with desk.work() as work:
            await start_job(work, desk.dataset.id, JobType.ETL, priority=priority)
    assert await count_jobs(desk) == 0


async def test_rejects_a_type_that_is_not_started_on_a_dataset(desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        async with desk.work() as work:
            await start_job(work, desk.dataset.id, JobType.TRAINING)
    assert await count_jobs(desk) == 0


async def test_does_not_find_the_dataset_of_another_department(
    desk: Desk, stranger: Person
) -> None:
    messages = []
    for key in (desk.dataset.id, uuid4()):
        with pytest.raises(NotFound) as refusal:
            async with desk.work(stranger) as work:
                await start_job(work, key, JobType.ETL)
        messages.append(refusal.value.message)
    assert messages[0] == messages[1]
    assert await count_jobs(desk) == 0


async def test_forbids_starting_to_one_who_only_reads(desk: Desk) -> None:
    viewer = await desk.rows.person(desk.department_id, roles=("viewer",))
    with pytest.raises(Forbidden):
        async with desk.work(viewer) as work:
            await start_job(work, desk.dataset.id, JobType.ETL)
    assert await count_jobs(desk) == 0


async def test_rejects_an_etl_before_the_validation(desk: Desk) -> None:
    raw = await desk.rows.dataset(
        desk.department_id, desk.person.id, status="uploaded", column_names=None
    )
    with pytest.raises(Conflict):
        async with desk.work() as work:
            await start_job(work, raw.id, JobType.ETL)
    assert await count_jobs(desk) == 0


@pytest.mark.parametrize("second", [JobType.ETL, JobType.VALIDATION])
async def test_lets_one_job_change_a_dataset_at_a_time(desk: Desk, second: JobType) -> None:
    async with desk.work() as work:
        await start_job(work, desk.dataset.id, JobType.ETL)
    with pytest.raises(Conflict):
        async with desk.work() as work:
            await start_job(work, desk.dataset.id, second)
    assert await count_jobs(desk) == 1


async def test_starts_one_job_for_rivals_at_the_same_moment(desk: Desk) -> None:
    async def start() -> object:
        try:
            async with desk.work() as work:
                return await start_job(work, desk.dataset.id, JobType.ETL)
        except DomainError as error:
            return error

    ended = await asyncio.gather(*(start() for _ in range(6)))
    assert sum(isinstance(end, Conflict) for end in ended) == 5
    assert await count_jobs(desk) == 1


async def test_a_replayed_key_gives_the_same_job_and_another_input_a_conflict(desk: Desk) -> None:
    async def start(priority: int) -> object:
        async with desk.work() as work:
            return await start_job(
                work, desk.dataset.id, JobType.ETL, priority=priority, idempotency_key="once"
            )

    twins = await asyncio.gather(start(5), start(5))
    assert twins[0] == twins[1] == await start(5)
    with pytest.raises(Conflict):
        await start(6)
    assert await count_jobs(desk) == 1


async def test_cancels_a_waiting_job_at_once(desk: Desk) -> None:
    async with desk.work() as work:
        job_id = await start_job(work, desk.dataset.id, JobType.ETL)
    async with desk.work() as work:
        await cancel_job(work, job_id)
    job = await desk.now("jobs", job_id)
    assert job.status == "cancelled"
    assert job.completed_at is not None
    assert await desk.events(job_id) == [("status", "queued"), ("status", "cancelled")]
    assert (await desk.now("datasets", desk.dataset.id)).status == "validated"


async def test_asks_a_running_job_to_stop(desk: Desk) -> None:
    job = await desk.rows.job(desk.department_id, desk.person.id, desk.dataset, status="processing")
    for _ in range(2):
        async with desk.work() as work:
            await cancel_job(work, job.id)
    now = await desk.now("jobs", job.id)
    assert now.status == "processing"
    assert now.cancel_requested_at is not None
    assert await desk.events(job.id) == [("message", None)]


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled"])
async def test_rejects_the_cancelling_of_a_job_that_has_ended(desk: Desk, status: str) -> None:
    job = await desk.rows.job(desk.department_id, desk.person.id, desk.dataset, status=status)
    with pytest.raises(Conflict):
        async with desk.work() as work:
            await cancel_job(work, job.id)
    assert await desk.now("jobs", job.id) == job
    assert await desk.events(job.id) == []


async def test_cancels_nothing_for_those_who_may_not(desk: Desk, stranger: Person) -> None:
    job = await desk.rows.job(desk.department_id, desk.person.id, desk.dataset)
    viewer = await desk.rows.person(desk.department_id, roles=("viewer",))
    for person, error in ((stranger, NotFound), (viewer, Forbidden)):
        with pytest.raises(error):
            async with desk.work(person) as work:
                await cancel_job(work, job.id)
    assert await desk.now("jobs", job.id) == job


async def test_a_deleted_dataset_loses_all_its_active_jobs(desk: Desk) -> None:
    waiting = await desk.rows.job(desk.department_id, desk.person.id, desk.dataset)
    running = await desk.rows.job(
        desk.department_id, desk.person.id, desk.dataset, job_type="eda", status="processing"
    )
    ended = await desk.rows.job(
        desk.department_id, desk.person.id, desk.dataset, job_type="eda", status="succeeded"
    )
    async with desk.work() as work:
        work.own()
        await cancel_jobs_of(work, desk.dataset.id)
    assert (await desk.now("jobs", waiting.id)).status == "cancelled"
    assert (await desk.now("jobs", running.id)).cancel_requested_at is not None
    assert await desk.now("jobs", ended.id) == ended


@pytest.mark.parametrize("status", ["failed", "cancelled"])
async def test_retries_as_a_new_job_that_names_the_old_one(desk: Desk, status: str) -> None:
    old = await desk.rows.job(
        desk.department_id, desk.person.id, desk.dataset, status=status, priority=9
    )
    async with desk.work() as work:
        new_id = await retry_job(work, old.id)
    new = await desk.now("jobs", new_id)
    assert (new.retry_of_id, new.status, new.priority) == (old.id, "queued", 9)
    assert new.params == old.params
    assert await desk.now("jobs", old.id) == old


@pytest.mark.parametrize("status", ["queued", "processing", "succeeded"])
async def test_rejects_the_retrying_of_a_job_that_did_not_fail(desk: Desk, status: str) -> None:
    old = await desk.rows.job(desk.department_id, desk.person.id, desk.dataset, status=status)
    with pytest.raises(Conflict):
        async with desk.work() as work:
            await retry_job(work, old.id)
    assert await count_jobs(desk) == 1
