"""What a caller may no longer see ends its subscriptions; what it may see goes on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from domain.identity import standing
from graph.scalars import encoded_id
from tests.graph.jobs.following import DEPARTMENT, JOB, Follower, left

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories.rows import Person
    from tests.graph.jobs.conftest import Place
    from tests.graph.jobs.following import Process

PROMISED_SECONDS = 5.0


async def watched(process: Process, place: Place, person: Person) -> list[Follower]:
    job = {"job": encoded_id("Job", place.job.id)}
    followers = [
        process.follow(person, DEPARTMENT, place.topic),
        process.follow(person, JOB, job),
    ]
    await process.attached(4)
    return followers


async def leave_department(place: Place, person: Person) -> None:
    await place.rows.connection.execute(
        "delete from user_departments where user_id = $1", person.id
    )


async def end_session(place: Place, person: Person) -> None:
    await place.rows.connection.execute(
        "update sessions set revoked_at = now(), revoked_reason = 'logout' where id = $1",
        person.session_id,
    )


async def lose_roles(place: Place, person: Person) -> None:
    await place.rows.connection.execute("delete from user_roles where user_id = $1", person.id)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (leave_department, ["NOT_FOUND", "NOT_FOUND"]),
        (end_session, ["UNAUTHENTICATED", "UNAUTHENTICATED"]),
        (lose_roles, ["FORBIDDEN", "NOT_FOUND"]),
    ],
)
async def test_what_may_no_longer_be_seen_ends_in_time(
    process: Process, place: Place, change: object, codes: list[str]
) -> None:
    colleague = await place.rows.person(place.department_id)
    staying = [
        process.follow(place.person, DEPARTMENT, place.topic),
        process.follow(place.person, JOB, {"job": encoded_id("Job", place.job.id)}),
    ]
    async with left(*staying):
        leaving = await watched(process, place, colleague)
        assert callable(change)
        began = time.monotonic()
        await change(place, colleague)
        await asyncio.gather(*(each.ended() for each in leaving))
        assert time.monotonic() - began < PROMISED_SECONDS
        assert [each.code for each in leaving] == codes
        await process.say(place.job, "not for all")
        await asyncio.gather(*(each.until(1) for each in staying))
        assert [each.messages for each in leaving] == [[], []]


async def test_the_bell_of_access_ends_it_at_once(process: Process, place: Place) -> None:
    follower = process.follow(place.person, DEPARTMENT, place.topic)
    await process.attached(1)
    await leave_department(place, place.person)
    began = time.monotonic()
    await process.bell.access()
    await follower.ended()
    assert time.monotonic() - began < standing.CHECK_SECONDS
    assert follower.code == "NOT_FOUND"


async def test_a_department_that_is_added_below_is_followed_without_a_gap(
    process: Process, place: Place
) -> None:
    follower = process.follow(place.person, DEPARTMENT, place.topic)
    async with left(follower):
        await process.attached(1)
        await process.say(place.job, "one")
        await follower.until(1)
        below = await place.rows.department(place.department_id)
        job = await place.rows.job(below, place.person.id)
        # What happens there before the scope is taken anew comes too, in the log's order.
        await process.say(job, "below")
        await process.say(place.job, "two")
        await process.bell.access()
        await process.say(job, "three")
        async with asyncio.timeout(10):
            while follower.messages[-1:] != ["three"]:  # noqa: ASYNC110 (nothing signals it)
                await asyncio.sleep(0.01)
    assert follower.messages in (
        ["one", "below", "two", "three"],
        # "two" went out before the new scope was known.
        ["one", "two", "three"],
    )


async def test_narrowing_never_widens(process: Process, place: Place) -> None:
    parent = await place.rows.department()
    below = await place.rows.department(parent)
    person = await place.rows.person(parent)

    async def code_of(department: UUID, narrow: UUID) -> str | None:
        follower = process.follow(
            person, DEPARTMENT, {"department": str(department)}, narrow=str(narrow)
        )
        if department == below:
            await process.attached(1)
            await follower.leave()
        else:
            await follower.ended()
        return follower.code

    assert await code_of(below, parent) is None
    assert await code_of(below, below) is None
    assert await code_of(parent, below) == "NOT_FOUND"
    assert await code_of(place.department_id, parent) == "NOT_FOUND"


async def test_one_account_has_so_many_subscriptions(
    process: Process, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = process.parts.settings.model_copy(update={"subscriptions_per_user": 2})
    monkeypatch.setattr(process.parts, "settings", limited)
    colleague = await place.rows.person(place.department_id)
    first, second = (process.follow(place.person, DEPARTMENT, place.topic) for _ in range(2))
    async with left(second):
        await process.attached(2)
        refused = process.follow(place.person, DEPARTMENT, place.topic)
        await refused.ended()
        assert refused.code == "RATE_LIMITED"
        other = process.follow(colleague, DEPARTMENT, place.topic)
        async with left(other):
            await process.attached(3)
        await first.leave()
        again = process.follow(place.person, DEPARTMENT, place.topic)
        async with left(again):
            await process.attached(2)
        assert again.code is None
