"""Every subscriber's sequence is the log's, however it comes, goes and reads."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import Unavailable
from domain.jobs import reads
from graph.scalars import encoded_id
from graph.transport import feed, gateway
from tests.graph.asking import Counter
from tests.graph.jobs.following import DEPARTMENT, JOB, Follower, Process, left

if TYPE_CHECKING:
    from domain.database import Database, Row
    from domain.settings import Settings
    from tests.graph.jobs.conftest import Place


def job_id(place: Place) -> dict[str, str]:
    return {"job": encoded_id("Job", place.job.id)}


async def goes(process: Process, place: Place, status: str) -> None:
    """Takes the job to a status and writes the event of it, in one commit."""
    end = "null" if status == "processing" else "now()"
    connection = place.rows.connection
    async with connection.transaction():
        await connection.execute(
            f"update jobs set status = $2, completed_at = {end}, "  # noqa: S608
            "lease_expires_at = case $2 when 'processing' then now() end where id = $1",
            place.job.id,
            status,
        )
        await place.rows.event(place.job, kind="status", status=status, message=status)
    await process.bell.events()


async def test_begins_with_a_snapshot_and_goes_on_with_what_happens(
    process: Process, place: Place
) -> None:
    await process.say(place.job, "before")
    follower = process.follow(place.person, DEPARTMENT, place.topic)
    async with left(follower):
        await process.attached(1)
        await process.say(place.job, "one", "two")
        await follower.until(2)
    assert [event["kind"] for event in follower.events] == ["SNAPSHOT", "MESSAGE", "MESSAGE"]
    assert follower.messages == ["one", "two"]


async def test_goes_on_after_a_cursor(process: Process, place: Place) -> None:
    first = process.follow(place.person, DEPARTMENT, place.topic)
    await process.attached(1)
    await process.say(place.job, "one", "two")
    await first.until(2)
    await first.leave()
    await process.say(place.job, "three")
    after = {"after": first.events[1]["cursor"]}
    second = process.follow(place.person, DEPARTMENT, place.topic | after)
    async with left(second):
        await second.until(2)
        await process.say(place.job, "four")
        await second.until(3)
    assert second.messages == ["two", "three", "four"]
    assert second.events[0]["kind"] == "MESSAGE"


async def test_one_execution_and_one_encoding_serve_all_who_follow(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    encodings = []
    encoded = gateway.encoded_entry

    def counted(*args: Any) -> Any:
        encodings.append(args)
        return encoded(*args)

    monkeypatch.setattr(gateway, "encoded_entry", counted)
    counter = Counter(monkeypatch)
    colleague = await place.rows.person(place.department_id)
    people = [place.person, colleague]
    watching = [process.follow(people[n % 2], JOB, job_id(place)) for n in range(100)]
    async with left(*watching):
        await process.attached(100)
        encodings.clear()
        counter.sent()
        for text in ("one", "two", "three"):
            await process.say(place.job, text)
            await asyncio.gather(*(each.until(1) for each in watching))
            await asyncio.sleep(0.05)
        await asyncio.gather(*(each.until(3) for each in watching))
        sent = counter.sent()
    assert len(encodings) == 3
    assert len(process.gateway.feeds) == 0
    # For each event: the writer's two, the tail's two, and the feed's opening, rows, job and the
    # job that the event's field selects. A few more are looks for nothing.
    assert len(sent) < 3 * 8 + 10
    assert all(each.messages == ["one", "two", "three"] for each in watching)


async def test_what_differs_is_not_shared(process: Process, place: Place) -> None:
    lesser = await place.rows.person(place.department_id, roles=("viewer",))
    wider = await place.rows.person(
        await place.rows.connection.fetchval(
            "select parent_id from departments where id = $1", place.department_id
        )
    )
    watching = [
        process.follow(place.person, DEPARTMENT, place.topic),
        process.follow(place.person, DEPARTMENT, place.topic | {"after": None}),
        process.follow(lesser, DEPARTMENT, place.topic),
        process.follow(wider, DEPARTMENT, place.topic),
        process.follow(place.person, DEPARTMENT + " ", place.topic),
        process.follow(place.person, JOB, job_id(place)),
        # What the caller may see beside the job is more than what the others may.
        process.follow(wider, JOB, job_id(place)),
    ]
    async with left(*watching):
        await process.attached(len(watching))
        sizes = sorted(map(len, process.gateway.feeds._feeds.values()))
        assert sizes == [1, 1, 1, 1, 3]
        await process.say(place.job, "one")
        await asyncio.gather(*(each.until(1) for each in watching))


async def test_who_comes_back_together_has_what_was_missed_executed_once(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = process.follow(place.person, DEPARTMENT, place.topic)
    await process.attached(1)
    for number in range(10):
        await process.say(place.job, str(number))
    await first.until(10)
    await first.leave()
    encodings = []
    encoded = gateway.encoded_entry

    def counted(*args: Any) -> Any:
        encodings.append(args)
        return encoded(*args)

    monkeypatch.setattr(gateway, "encoded_entry", counted)
    cursors = [event["cursor"] for event in first.events]
    watching = [
        process.follow(place.person, DEPARTMENT, place.topic | {"after": cursors[5 + n % 4]})
        for n in range(100)
    ]
    async with left(*watching):
        await process.attached(100)
    # After the fifth of ten events, four are missed by those that saw the fewest.
    for n, each in enumerate(watching):
        assert each.messages == [str(number) for number in range(5 + n % 4, 10)]
    assert len(encodings) == 5


async def test_ends_by_itself_when_the_job_does(process: Process, place: Place) -> None:
    follower = process.follow(place.person, JOB, job_id(place))
    late = process.follow(place.person, DEPARTMENT, place.topic)
    async with left(late):
        await process.attached(2)
        await process.say(place.job, "running")
        await goes(process, place, "cancelled")
        await follower.ended()
        assert follower.refusal is None
        assert follower.messages == ["running", "cancelled"]
        assert follower.events[-1]["job"] == {"status": "CANCELLED"}
        # Whoever missed only the end of the stream is not left waiting, and gets nothing twice.
        again = process.follow(place.person, JOB, job_id(place) | {"after": follower.cursor})
        await again.ended()
        assert again.events == []
        before = follower.events[-2]["cursor"]
        again = process.follow(place.person, JOB, job_id(place) | {"after": before})
        await again.ended()
        assert again.messages == ["cancelled"]
        whole = process.follow(place.person, JOB, job_id(place))
        await whole.ended()
        assert [event["kind"] for event in whole.events] == ["SNAPSHOT"]
        await late.until(2)


async def test_status_changes_alone_end_with_the_job(process: Process, place: Place) -> None:
    query = "subscription ($job: ID!) { jobStatusChanged(jobId: $job) { status } }"
    follower = process.follow(place.person, query, job_id(place))
    await process.attached(1)
    await process.say(place.job, "passed over")
    await goes(process, place, "processing")
    async with asyncio.timeout(10):
        while len(follower.events) < 2:  # noqa: ASYNC110 (nothing signals it)
            await asyncio.sleep(0.01)
    await goes(process, place, "succeeded")
    await follower.ended()
    assert [event["status"] for event in follower.events] == ["QUEUED", "PROCESSING", "SUCCEEDED"]


async def test_idle_subscriptions_cost_one_look_a_process(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await place.rows.job(place.department_id, place.person.id) for _ in range(30)]
    watching = [
        process.follow(place.person, JOB, {"job": encoded_id("Job", job.id)}) for job in jobs
    ]
    async with left(*watching):
        await process.attached(30)
        await asyncio.sleep(0.1)
        counter = Counter(monkeypatch)
        await asyncio.sleep(3)
        sent = counter.sent()
        # Each second a look takes an opening and a statement; standings take two in three.
        assert 4 <= len(sent) <= 12


async def test_a_slow_reader_holds_up_nobody_and_misses_nothing(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "KEPT_ENTRIES", 8)
    slow = process.follow(place.person, DEPARTMENT, place.topic)
    quick = process.follow(place.person, DEPARTMENT, place.topic)
    async with left(slow, quick):
        await process.attached(2)
        slow.reads.clear()
        for number in range(40):
            await process.say(place.job, str(number))
            await quick.until(number + 1)
        assert slow.messages == []
        slow.reads.set()
        await slow.until(40)
        await process.attached(2)
        await process.say(place.job, "40")
        await slow.until(41)
    assert slow.messages == quick.messages == [str(number) for number in range(41)]


@dataclass
class Crowd:
    """Subscribers that come, go, come back and read slowly, while bursts of events are written."""

    process: Process
    place: Place
    dice: random.Random
    written: int = 0
    is_writing: bool = True

    async def write(self, *jobs: Row, stranger: Row) -> None:
        for _ in range(60):
            size = self.dice.choice((1, 1, 1, 3, 20))
            burst = [str(self.written + n) for n in range(size)]
            self.written += size
            await self.process.say(self.dice.choice(jobs), *burst)
            if self.dice.random() < 0.3:
                await self.process.say(stranger, "not yours")
            await asyncio.sleep(self.dice.choice((0, 0, 0.005, 0.02)))
        self.is_writing = False

    async def life(self) -> list[Follower]:
        lives = [self.process.follow(self.place.person, DEPARTMENT, self.place.topic)]
        while self.is_writing:
            await asyncio.sleep(self.dice.random() * 0.1)
            match self.dice.randrange(3):
                case 0:
                    lives[-1].reads.clear()
                    await asyncio.sleep(self.dice.random() * 0.1)
                    lives[-1].reads.set()
                case 1:
                    await lives[-1].leave()
                    after = next((each.cursor for each in reversed(lives) if each.cursor), None)
                    topic = self.place.topic | {"after": after}
                    lives.append(self.process.follow(self.place.person, DEPARTMENT, topic))
        return lives

    async def caught_up(self, lives: list[Follower]) -> list[str]:
        async with asyncio.timeout(20):
            while sum(len(each.messages) for each in lives) < self.written:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        await lives[-1].leave()
        return [message for each in lives for message in each.messages]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_each_sequence_is_the_logs_whoever_comes_and_goes(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # Little is kept, batches are short, and others get their turn after each second delivery.
    monkeypatch.setattr(feed, "KEPT_ENTRIES", 12)
    monkeypatch.setattr(feed, "KEPT_SECONDS", 0.3)
    monkeypatch.setattr(feed, "DELIVERED_AT_ONCE", 2)
    monkeypatch.setattr(reads, "BATCH", 7)
    other = await place.rows.department()
    stranger = await place.rows.job(other, (await place.rows.person(other)).id)
    second = await place.rows.job(place.department_id, place.person.id)
    crowd = Crowd(process, place, random.Random(seed))  # noqa: S311 (it guards nothing)
    lives = [asyncio.create_task(crowd.life()) for _ in range(12)]
    await process.attached(12)
    await crowd.write(place.job, second, stranger=stranger)
    histories = [await life for life in lives]
    for history in histories:
        assert await crowd.caught_up(history) == [str(number) for number in range(crowd.written)]


async def test_waits_out_a_database_that_does_not_answer(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0.05)
    follower = process.follow(place.person, DEPARTMENT, place.topic)
    async with left(follower):
        await process.attached(1)
        taken = process.parts.database._acquired
        failed = 0

        async def away() -> Any:
            nonlocal failed
            failed += 1
            message = "The database does not answer."
            raise Unavailable(message)

        await process.say(place.job, "one")
        await follower.until(1)
        await place.rows.event(place.job, message="two")
        monkeypatch.setattr(process.parts.database, "_acquired", away)
        await process.bell.events()
        while failed < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        monkeypatch.setattr(process.parts.database, "_acquired", taken)
        await follower.until(2)
    assert follower.messages == ["one", "two"]


async def test_who_comes_from_a_faster_process_gets_nothing_twice(
    process: Process, place: Place, settings: Settings, database: Database
) -> None:
    slower = Process(settings, database, process.parts.tokens)
    quick = process.follow(place.person, DEPARTMENT, place.topic)
    waiting = slower.follow(place.person, DEPARTMENT, place.topic)
    async with left(quick, waiting):
        await process.attached(1)
        await slower.attached(1)
        await slower.say(place.job, "zero")
        await waiting.until(1)
        # The bell of one process is not heard in the other, which looks by itself only later.
        await process.say(place.job, "one", "two")
        await quick.until(3)
        assert waiting.messages == ["zero"]
        mover = slower.follow(place.person, DEPARTMENT, place.topic | {"after": quick.cursor})
        async with left(mover):
            await slower.attached(2)
            await slower.say(place.job, "three")
            await mover.until(1)
            await waiting.until(4)
            assert mover.messages == ["three"]
            assert waiting.messages == ["zero", "one", "two", "three"]
