"""The log of events is in the order of commits, so whoever has seen one has seen all below."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.factories.databases import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.database import Row
    from domain.settings import Settings
    from tests.factories.rows import Rows

APPEND = "select append_job_events($1)"
AFTER = "select id, message from job_events where id > $1 and job_id = $2 order by id"
MANY = 6
EACH = 40


@pytest.fixture
async def job(rows: Rows) -> Row:
    department_id = await rows.department()
    person = await rows.person(department_id)
    return await rows.job(department_id, person.id)


@pytest.fixture
async def apps(settings: Settings, job: Row) -> AsyncIterator[list[Any]]:
    """Connections of the application's role, in the scope of the job's department."""
    scope = f"select set_config('app.department_ids', '{{{job.department_id}}}', false)"
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(MANY):
            url = settings.database_url.get_secret_value()
            connection = await stack.enter_async_context(connected(url))
            await connection.execute(scope)
            found.append(connection)
        yield found


def event(job: Row, message: str, **values: Any) -> dict[str, Any]:
    return {
        "department_id": str(job.department_id),
        "job_id": str(job.id),
        "kind": "message",
        "message": message,
    } | values


async def test_the_later_commit_waits_for_the_earlier_and_gets_the_higher_id(
    apps: list[Any], owner: Any, job: Row
) -> None:
    first, second = apps[:2]
    transaction = first.transaction()
    await transaction.start()
    await first.execute(APPEND, [event(job, "first")])
    waiting = asyncio.create_task(second.execute(APPEND, [event(job, "second")]))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert await owner.fetch(AFTER, 0, job.id) == []
    await transaction.commit()
    await waiting
    assert [row.message for row in await owner.fetch(AFTER, 0, job.id)] == ["first", "second"]


async def follow(reader: Any, job: Row, write: Any, writers: list[Any]) -> tuple[list[int], int]:
    """What a reader by cursor sees while others write, and how many events there are at last."""
    writing = asyncio.gather(*(write(number, writer) for number, writer in enumerate(writers)))
    seen: list[int] = []
    cursor = 0
    finished = False
    while True:
        rows = await reader.fetch(AFTER, cursor, job.id)
        seen += [row.id for row in rows]
        cursor = seen[-1] if seen else 0
        if finished and not rows:
            break
        finished = writing.done()
        await asyncio.sleep(0)
    await writing
    total = await reader.fetchval("select count(*) from job_events where job_id = $1", job.id)
    return seen, total


async def test_a_reader_by_cursor_misses_nothing_of_many_writers(
    apps: list[Any], owner: Any, job: Row
) -> None:
    chance = random.Random(7)  # noqa: S311 (the same mix of writers at every run)

    async def write(number: int, connection: Any) -> None:
        for count in range(EACH):
            async with connection.transaction():
                await connection.fetchval("select count(*) from jobs")
                await asyncio.sleep(chance.random() / 500)
                await connection.execute(APPEND, [event(job, f"{number}.{count}")] * 2)

    seen, total = await follow(owner, job, write, apps)
    assert total == MANY * EACH * 2
    assert len(seen) == total
    assert seen == sorted(set(seen))


async def test_without_the_functions_lock_a_reader_would_miss_some(
    apps: list[Any], owner: Any, job: Row
) -> None:
    """What the test above would find if events were inserted as they come."""
    insert = (
        "insert into job_events (department_id, job_id, kind, message) "
        "values ($1, $2, 'message', $3)"
    )
    slow, quick = apps[:2]
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute(insert, job.department_id, job.id, "slow")
    await quick.execute(insert, job.department_id, job.id, "quick")
    (seen,) = await owner.fetch(AFTER, 0, job.id)
    await transaction.commit()
    assert seen.message == "quick"
    assert await owner.fetch(AFTER, seen.id, job.id) == []


async def test_keeps_the_order_in_which_one_transaction_gives_them(
    apps: list[Any], owner: Any, job: Row
) -> None:
    given = [event(job, str(number)) for number in range(50)]
    await apps[0].execute(APPEND, given)
    found = await owner.fetch(AFTER, 0, job.id)
    assert [row.message for row in found] == [str(number) for number in range(50)]


async def test_keeps_all_that_an_event_says(apps: list[Any], owner: Any, job: Row) -> None:
    said = {"kind": "status", "status": "processing", "progress": 40, "step": "Half way"}
    await apps[0].execute(APPEND, [event(job, "Going on.", **said)])
    row = await owner.fetchrow("select * from job_events where job_id = $1", job.id)
    assert (row.kind, row.status, row.progress, row.step) == tuple(said.values())
    assert (row.message, row.department_id, row.dataset_id) == (
        "Going on.",
        job.department_id,
        None,
    )


@pytest.mark.parametrize("whose", ["job and department", "job", "department"])
async def test_writes_no_event_of_another_department(
    apps: list[Any], owner: Any, rows: Rows, job: Row, whose: str
) -> None:
    department_id = await rows.department()
    theirs = await rows.job(department_id, (await rows.person(department_id)).id)
    values = {}
    if "job" in whose:
        values["job_id"] = str(theirs.id)
    if "department" in whose:
        values["department_id"] = str(department_id)
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ForeignKeyViolationError)):
        await apps[0].execute(APPEND, [event(job, "Not mine.", **values)])
    written = await owner.fetchval(
        "select count(*) from job_events where job_id = any ($1)", [theirs.id, job.id]
    )
    assert written == 0
