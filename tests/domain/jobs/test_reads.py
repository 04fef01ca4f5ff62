from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from domain.errors import CursorExpired, InvalidInput
from domain.jobs.actions import cancel_job, start_job
from domain.jobs.models import JobType
from domain.jobs.reads import KEPT, START, Cursor, Topic, cursor_of, events_after, snapshot

if TYPE_CHECKING:
    from tests.domain.jobs.conftest import Desk
    from tests.factories.rows import Person


async def test_a_snapshot_and_what_follows_it_leave_nothing_out(desk: Desk) -> None:
    async with desk.work() as work:
        job_id = await start_job(work, desk.dataset.id, JobType.ETL)
    topics = [Topic("job_id", job_id), Topic("dataset_id", desk.dataset.id), Topic("scope")]
    for topic in topics:
        async with desk.reads() as reads:
            jobs, mark = await snapshot(reads, topic)
            assert [job.id for job in jobs] == [job_id]
            assert await events_after(reads, topic, mark.event_id) == []
            (queued,) = await events_after(reads, topic, 0)
            assert cursor_of(queued).event_id == mark.event_id
    async with desk.work() as work:
        await cancel_job(work, job_id)
    for topic in topics:
        async with desk.reads() as reads:
            (event,) = await events_after(reads, topic, mark.event_id)
            assert (event.kind, event.status) == ("status", "cancelled")


async def test_another_department_reads_no_event(desk: Desk, stranger: Person) -> None:
    async with desk.work() as work:
        job_id = await start_job(work, desk.dataset.id, JobType.ETL)
    for topic in (Topic("job_id", job_id), Topic("dataset_id", desk.dataset.id), Topic("scope")):
        async with desk.reads(stranger) as reads:
            jobs, mark = await snapshot(reads, topic)
            assert (jobs, mark.event_id) == ([], 0)
            assert await events_after(reads, topic, 0) == []


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor(42, datetime.now(UTC).replace(microsecond=0))
    assert Cursor.parsed(str(cursor)) == cursor
    assert Cursor.parsed(str(START)) == START


@pytest.mark.parametrize("text", ["", "x", "!!!", "MTIz", "LTUuMQ", "OTk5OTk5OTk5OTk5OTk5OTk5OS4x"])
def test_refuses_what_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidInput):
        Cursor.parsed(text)


def test_refuses_a_cursor_behind_which_events_may_be_gone() -> None:
    kept = datetime.now(UTC) - KEPT
    assert Cursor.parsed(str(Cursor(7, kept + timedelta(minutes=1)))).event_id == 7
    with pytest.raises(CursorExpired):
        Cursor.parsed(str(Cursor(7, kept - timedelta(minutes=1))))
