from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.jobs import protocol
from domain.jobs.actions import cancel_job
from domain.jobs.models import EventKind, JobStatus, JobType
from domain.jobs.protocol import Failure, Lease, LeaseLost, Standing, backoff

if TYPE_CHECKING:
    from domain.database import Row
    from tests.domain.jobs.conftest import Desk

LEASE_SECONDS = 15.0


@pytest.fixture(autouse=True)
async def alone(desk: Desk) -> None:
    """No other test's jobs wait beside this one's: a claim takes from all departments."""
    await desk.rows.connection.execute(
        "update jobs set status = 'cancelled', completed_at = now(), lease_expires_at = null "
        "where status in ('queued', 'processing')"
    )


async def claim(desk: Desk, worker: str = "w1") -> Lease:
    (lease,) = await protocol.claim(desk.database, worker, LEASE_SECONDS, JobType, desk.bell)
    return lease


async def claimed(desk: Desk, **values: object) -> Lease:
    await desk.rows.job(desk.department_id, desk.person.id, desk.dataset, **values)
    return await claim(desk)


async def attempt_of(desk: Desk, lease: Lease) -> Row:
    row: Row = await desk.rows.connection.fetchrow(
        "select * from job_attempts where job_id = $1 and lease_token = $2", lease.id, lease.token
    )
    return row


async def lose(desk: Desk, lease: Lease) -> None:
    """Has the sweeper's way with a lease: the token goes up."""
    await desk.rows.connection.execute(
        "update jobs set status = 'queued', lease_token = lease_token + 1, "
        "lease_expires_at = null where id = $1",
        lease.id,
    )


async def succeed(desk: Desk, lease: Lease) -> None:
    async with desk.work() as work:
        work.own()
        await protocol.succeed(work, lease, message="Done.", result_data={"rows": 1})


async def hold(desk: Desk, lease: Lease) -> None:
    async with desk.work() as work:
        work.own()
        await protocol.hold(work, lease)


async def test_a_claim_takes_the_job_and_opens_an_attempt(desk: Desk) -> None:
    lease = await claimed(desk)
    job = await desk.now("jobs", lease.id)
    assert (job.status, job.attempts, job.lease_token) == ("processing", 1, 1)
    assert job.leased_by == "w1"
    assert (await attempt_of(desk, lease)).outcome is None
    assert await desk.events(lease.id) == [("status", "processing")]
    assert (await desk.now("datasets", desk.dataset.id)).status == "processing"
    assert await protocol.claim(desk.database, "w2", LEASE_SECONDS, JobType, desk.bell) == []


async def test_a_renewal_notes_progress_and_tells_it_only_when_asked(desk: Desk) -> None:
    lease = await claimed(desk)
    before = await desk.now("jobs", lease.id)
    for tell in (None, EventKind.PROGRESS):
        standing = await protocol.renew(
            desk.database, lease, LEASE_SECONDS, desk.bell, progress=40, step="Half way", tell=tell
        )
        assert standing is Standing.HELD
    job = await desk.now("jobs", lease.id)
    assert (job.progress, job.current_step) == (40, "Half way")
    assert job.lease_expires_at > before.lease_expires_at
    assert await desk.events(lease.id) == [("status", "processing"), ("progress", None)]


async def test_a_renewal_carries_a_cancel_and_a_loss(desk: Desk) -> None:
    lease = await claimed(desk)

    async def standing() -> Standing:
        return await protocol.renew(
            desk.database, lease, LEASE_SECONDS, desk.bell, progress=1, step=None
        )

    async with desk.work() as work:
        await cancel_job(work, lease.id)
    assert await standing() is Standing.CANCEL
    await lose(desk, lease)
    assert await standing() is Standing.LOST


async def test_success_is_published_once(desk: Desk) -> None:
    lease = await claimed(desk)
    await succeed(desk, lease)
    job = await desk.now("jobs", lease.id)
    assert (job.status, job.progress, job.result_data) == ("succeeded", 100, {"rows": 1})
    assert (await attempt_of(desk, lease)).outcome == "succeeded"
    assert (await desk.now("datasets", desk.dataset.id)).status == "completed"
    with pytest.raises(LeaseLost):
        await succeed(desk, lease)
    assert await desk.now("jobs", lease.id) == job


@pytest.mark.parametrize("taken", [False, True])
async def test_a_worker_that_lost_its_lease_can_write_nothing(desk: Desk, *, taken: bool) -> None:
    lease = await claimed(desk)
    await lose(desk, lease)
    if taken:
        # Another worker has the job now, so that nothing but the token tells the two apart.
        assert (await claim(desk, "w2")).id == lease.id
    before = await desk.now("jobs", lease.id)
    attempts = await desk.rows.connection.fetch("select * from job_attempts order by id")
    with pytest.raises(LeaseLost):
        await succeed(desk, lease)
    with pytest.raises(LeaseLost):
        await protocol.fail(desk.database, lease, Failure("X", "It failed."), desk.bell)
    with pytest.raises(LeaseLost):
        await protocol.cancel(desk.database, lease, desk.bell)
    with pytest.raises(LeaseLost):
        await protocol.hand_back(desk.database, lease, desk.bell)
    with pytest.raises(LeaseLost):
        await hold(desk, lease)
    standing = await protocol.renew(
        desk.database, lease, LEASE_SECONDS, desk.bell, progress=99, step="Late"
    )
    assert standing is Standing.LOST
    assert await desk.now("jobs", lease.id) == before
    assert await desk.rows.connection.fetch("select * from job_attempts order by id") == attempts


async def test_a_cancelled_job_publishes_nothing(desk: Desk) -> None:
    lease = await claimed(desk)
    async with desk.work() as work:
        await cancel_job(work, lease.id)
    with pytest.raises(LeaseLost):
        await succeed(desk, lease)
    await protocol.cancel(desk.database, lease, desk.bell)
    assert (await desk.now("jobs", lease.id)).status == "cancelled"
    assert (await attempt_of(desk, lease)).outcome == "cancelled"
    assert (await desk.now("datasets", desk.dataset.id)).status == "validated"


async def test_a_failure_ends_the_job_with_its_reason(desk: Desk) -> None:
    lease = await claimed(desk)
    failure = Failure("NOT_THE_TYPE", "It is a picture.", "at line 1", blames_file=True)
    assert await protocol.fail(desk.database, lease, failure, desk.bell) is JobStatus.FAILED
    job = await desk.now("jobs", lease.id)
    assert (job.error_code, job.error_message) == ("NOT_THE_TYPE", "It is a picture.")
    assert job.error_traceback == "at line 1"
    dataset = await desk.now("datasets", desk.dataset.id)
    assert dataset.status == "failed"
    assert dataset.validation_errors == [{"code": "NOT_THE_TYPE", "message": "It is a picture."}]


async def test_a_failure_that_is_not_the_file_s_leaves_the_dataset_as_it_was(desk: Desk) -> None:
    lease = await claimed(desk)
    assert (await desk.now("datasets", desk.dataset.id)).status == "processing"
    failure = Failure("FORBIDDEN", "This needs the permission job:start.")
    assert await protocol.fail(desk.database, lease, failure, desk.bell) is JobStatus.FAILED
    assert not (await desk.now("jobs", lease.id)).blames_file
    dataset = await desk.now("datasets", desk.dataset.id)
    assert (dataset.status, dataset.validation_errors) == ("validated", None)


async def test_a_failure_is_written_whatever_stands_in_its_words(desk: Desk) -> None:
    lease = await claimed(desk)
    failure = Failure("UNREADABLE", "It's a\0 b\ud800 \\' c", "at 'x'\0")
    await protocol.fail(desk.database, lease, failure, desk.bell)
    job = await desk.now("jobs", lease.id)
    assert job.error_message == "It's a\ufffd b? \\' c"
    message = await desk.rows.connection.fetchval(
        "select message from job_events where job_id = $1 order by id desc limit 1", lease.id
    )
    assert message == job.error_message


async def test_a_worker_takes_as_many_jobs_at_once_as_it_has_places_for(desk: Desk) -> None:
    for priority in (3, 9, 6):
        await desk.rows.job(desk.department_id, desk.person.id, job_type="eda", priority=priority)
    given = (desk.database, "w1", LEASE_SECONDS, JobType, desk.bell)
    two = await protocol.claim(*given, limit=2)
    assert [(await desk.now("jobs", lease.id)).priority for lease in two] == [9, 6]
    assert {(await attempt_of(desk, lease)).worker for lease in two} == {"w1"}
    assert [await desk.events(lease.id) for lease in two] == [[("status", "processing")]] * 2
    (last,) = await protocol.claim(*given, limit=2)
    assert (await desk.now("jobs", last.id)).priority == 3


async def test_a_retryable_failure_waits_and_is_final_after_the_last_attempt(desk: Desk) -> None:
    lease = await claimed(desk, max_attempts=2)
    failure = Failure("UNAVAILABLE", "It does not answer.", retryable=True)
    assert await protocol.fail(desk.database, lease, failure, desk.bell) is JobStatus.QUEUED
    waiting = await desk.now("jobs", lease.id)
    assert waiting.available_at > waiting.updated_at
    assert (await attempt_of(desk, lease)).outcome == "retried"
    assert await protocol.claim(desk.database, "w1", LEASE_SECONDS, JobType, desk.bell) == []
    await desk.rows.connection.execute("update jobs set available_at = now()")
    again = await claim(desk)
    assert (again.attempt, again.token) == (2, lease.token + 2)
    assert await protocol.fail(desk.database, again, failure, desk.bell) is JobStatus.FAILED


async def test_a_job_that_is_handed_back_keeps_its_attempts(desk: Desk) -> None:
    lease = await claimed(desk, max_attempts=1)
    await protocol.hand_back(desk.database, lease, desk.bell)
    assert (await attempt_of(desk, lease)).outcome == "handed_back"
    again = await claim(desk, "w2")
    assert again.attempt <= again.max_attempts
    await succeed(desk, again)


async def test_a_cancel_that_was_asked_is_kept_by_a_job_that_would_wait(desk: Desk) -> None:
    lease = await claimed(desk)
    async with desk.work() as work:
        await cancel_job(work, lease.id)
    failure = Failure("UNAVAILABLE", "It does not answer.", retryable=True)
    await protocol.fail(desk.database, lease, failure, desk.bell)
    assert (await desk.now("jobs", lease.id)).status == "cancelled"


def test_backoff_grows_with_jitter_up_to_its_limit() -> None:
    for attempt, low, high in ((1, 2.5, 5), (2, 5, 10), (3, 10, 20), (20, 150, 300)):
        waits = [backoff(attempt) for _ in range(200)]
        assert low <= min(waits) < max(waits) <= high
