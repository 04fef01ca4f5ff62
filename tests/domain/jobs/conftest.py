"""A department with a person and a validated dataset, and what a test does there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from domain.bell import Silence
from domain.database import Hold
from domain.reads import Reads
from domain.work import working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.database import Database, Row
    from domain.work import Work
    from tests.factories.rows import Person, Rows


class CountingBell(Silence):
    """Notes what was rung."""

    def __init__(self) -> None:
        self.rung: list[str | None] = []

    async def work(self, message_id: str | None = None) -> None:
        self.rung.append(message_id)


@dataclass
class Desk:
    """One person at work in one department."""

    database: Database
    rows: Rows
    department_id: UUID
    person: Person
    dataset: Row
    bell: CountingBell = field(default_factory=CountingBell)

    @asynccontextmanager
    async def work(self, person: Person | None = None) -> AsyncIterator[Work]:
        identity = (person or self.person).identity()
        async with working(self.database, identity, self.bell) as work:
            yield work

    @asynccontextmanager
    async def reads(self, person: Person | None = None) -> AsyncIterator[Reads]:
        reads = Reads(self.database, (person or self.person).identity(), Hold())
        try:
            yield reads
        finally:
            await reads.close()

    async def now(self, table: str, key: UUID) -> Row:
        """A row as it is now, whoever may see it."""
        row: Row = await self.rows.connection.fetchrow(
            f"select * from {table} where id = $1",  # noqa: S608 (a test's own word)
            key,
        )
        return row

    async def events(self, job_id: UUID) -> list[Any]:
        """The events of a job as (kind, status)."""
        found = await self.rows.connection.fetch(
            "select kind, status from job_events where job_id = $1 order by id", job_id
        )
        return [(event["kind"], event["status"]) for event in found]


@pytest.fixture
async def desk(database: Database, rows: Rows) -> Desk:
    department_id = await rows.department()
    person = await rows.person(department_id, roles=("editor",))
    dataset = await rows.dataset(department_id, person.id)
    return Desk(database, rows, department_id, person, dataset)


@pytest.fixture
async def stranger(rows: Rows) -> Person:
    """Somebody of another department, with all the rights there."""
    return await rows.person(await rows.department(), roles=("admin",))
