"""Which insight a department asks for, and that nothing else of the tree goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.database import Hold
from domain.scope import opening

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Database
    from tests.factories.rows import Person, Rows


async def asked(database: Database, person: Person, department: UUID) -> str | None:
    async with database.transaction(opening(person.identity(), write=True), Hold()) as (db, _):
        found: str | None = await db.fetchval("select insight_of_department($1)", department)
        return found


async def test_takes_that_of_the_nearest_department_above(database: Database, rows: Rows) -> None:
    for code in ("sales", "supply", "finance"):
        top = await rows.department_id(code)
        below = await rows.department(await rows.department(code))
        # Whoever belongs to the lowest alone sees none of those above.
        person = await rows.person(below)
        assert await asked(database, person, below) == code
        assert await asked(database, await rows.person(top), top) == code


async def test_other_departments_ask_for_none(database: Database, rows: Rows) -> None:
    other = await rows.department()
    assert await asked(database, await rows.person(other), other) is None


async def test_says_nothing_of_departments_outside_the_scope(
    database: Database, rows: Rows
) -> None:
    person = await rows.person(await rows.department("sales"))
    assert await asked(database, person, await rows.department("supply")) is None
    assert await asked(database, person, await rows.department_id("sales")) is None
