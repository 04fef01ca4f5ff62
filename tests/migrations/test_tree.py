"""The tree of departments, and that a row stays where it is in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from domain.database import Hold
from domain.scope import opening
from tests.factories.databases import connected

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Database
    from domain.settings import Settings
    from tests.factories.rows import Person, Rows

MOVE = "update departments set parent_id = $2 where id = $1"


async def parent_of(rows: Rows, department_id: UUID) -> UUID | None:
    found: UUID | None = await rows.connection.fetchval(
        "select parent_id from departments where id = $1", department_id
    )
    return found


async def as_person(database: Database, person: Person, text: str, *arguments: Any) -> str:
    """Runs one statement in the person's scope, and gives its tag."""
    async with database.transaction(opening(person.identity(), write=True), Hold()) as (db, _):
        tag: str = await db.execute(text, *arguments)
        return tag


async def test_moves_a_department_below_another(database: Database, rows: Rows) -> None:
    top = await rows.department()
    left, right = await rows.department(top), await rows.department(top)
    person = await rows.person(top)
    assert await as_person(database, person, MOVE, left, right) == "UPDATE 1"
    assert await parent_of(rows, left) == right


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_never_moves_a_department_below_itself(owner: Any, rows: Rows, depth: int) -> None:
    chain = [await rows.department()]
    for _ in range(2):
        chain.append(await rows.department(chain[-1]))
    before = await parent_of(rows, chain[0])
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await owner.execute(MOVE, chain[0], chain[depth])
    assert refusal.value.sqlstate == "AF409"
    assert await parent_of(rows, chain[0]) == before


async def test_refuses_a_parent_outside_the_scope(database: Database, rows: Rows) -> None:
    mine, theirs = await rows.department(), await rows.department()
    child = await rows.department(mine)
    person = await rows.person(mine)
    refusals = []
    for parent in (theirs, await rows.department_id("company"), person.id):
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await as_person(database, person, MOVE, child, parent)
        refusals.append((refusal.value.sqlstate, str(refusal.value)))
    # A department of others and an id that is none are told apart by nothing.
    assert set(refusals) == {("AF404", "There is no such department.")}
    assert await parent_of(rows, child) == mine
    assert await as_person(database, person, MOVE, theirs, mine) == "UPDATE 0"


async def test_has_one_root_that_stays(owner: Any, rows: Rows) -> None:
    company = await rows.department_id("company")
    admin = await rows.department_id("sales")
    for text, arguments in (
        (MOVE, (company, admin)),
        (MOVE, (admin, None)),
        ("insert into departments (code, name, parent_id) values ('second', 'S', $1)", (None,)),
    ):
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await owner.execute(text, *arguments)
        assert refusal.value.sqlstate == "AF409"
    assert await parent_of(rows, company) is None
    assert await parent_of(rows, admin) == company


async def test_the_root_stays_when_it_bears_another_code(owner: Any, rows: Rows) -> None:
    company, sales = await rows.department_id("company"), await rows.department_id("sales")
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute("update departments set code = 'firm' where id = $1", company)
        await owner.execute("update departments set code = 'company' where id = $1", sales)
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await owner.execute(MOVE, company, sales)
        assert refusal.value.sqlstate == "AF409"
    finally:
        await transaction.rollback()


async def test_two_moves_that_cross_close_no_ring(settings: Settings, rows: Rows) -> None:
    left, right = await rows.department(), await rows.department()
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()
    async with connected(url) as first, connected(url) as second:
        transaction = first.transaction()
        await transaction.start()
        await first.execute(MOVE, left, right)
        crossing = asyncio.create_task(second.execute(MOVE, right, left))
        await asyncio.sleep(0.1)
        assert not crossing.done()
        await transaction.commit()
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await crossing
    assert refusal.value.sqlstate == "AF409"
    assert await parent_of(rows, left) == right
    assert await parent_of(rows, right) != left


async def test_sees_a_ring_whose_far_side_has_left_the_scope(
    database: Database, owner: Any, rows: Rows
) -> None:
    mine = await rows.department()
    top = await rows.department(mine)
    below = await rows.department(mine)
    person = await rows.person(mine)
    outside = await rows.department()

    async def move() -> None:
        text = opening(person.identity(), write=True)
        async with database.transaction(text, Hold()) as (connection, _):
            # Meanwhile somebody puts a department that this scope lacks between the two.
            await owner.execute(MOVE, outside, top)
            await owner.execute(MOVE, below, outside)
            await connection.execute(MOVE, top, below)

    with pytest.raises(asyncpg.PostgresError) as refusal:
        await move()
    assert refusal.value.sqlstate == "AF409"
    assert await parent_of(rows, top) == mine


@pytest.mark.parametrize("table", ["workspaces", "datasets", "uploads", "jobs", "results"])
async def test_no_row_changes_its_department_even_for_those_who_see_both(
    owner: Any, database: Database, rows: Rows, table: str
) -> None:
    here, there = await rows.department(), await rows.department()
    person = await rows.person(here, there)
    dataset = await rows.dataset(here, person.id)
    await rows.upload(dataset)
    job = await rows.job(here, person.id, dataset, status="failed")
    await rows.result(job)
    move = f"update {table} set department_id = $2 where department_id = $1"  # noqa: S608
    with pytest.raises(asyncpg.PostgresError) as by_owner:
        await owner.execute(move, here, there)
    with pytest.raises(asyncpg.PostgresError) as by_person:
        await as_person(database, person, move, here, there)
    assert (by_owner.value.sqlstate, by_person.value.sqlstate) == ("AF409", "AF409")
    stays = f"update {table} set department_id = $1 where department_id = $1"  # noqa: S608
    assert await owner.execute(stays, here) == "UPDATE 1"
