"""A process over the real database, and somebody in a department with a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from domain.identity.tokens import Tokens
from tests.graph.catalog.conftest import asker, database, owner, rows, settings
from tests.graph.jobs.following import Process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.database import Database, Row
    from domain.settings import Settings
    from tests.factories.rows import Person, Rows

__all__ = ["asker", "database", "owner", "rows", "settings"]


@dataclass
class Place:
    """A department, a member of it, and a job there."""

    rows: Rows
    department_id: UUID
    person: Person
    job: Row

    @property
    def topic(self) -> dict[str, str]:
        return {"department": str(self.department_id)}


@pytest.fixture
async def process(settings: Settings, database: Database) -> AsyncIterator[Process]:
    made = Process(settings, database, Tokens(settings))
    await made.parts.storage.open()
    yield made
    await made.parts.storage.close()
    assert len(made.gateway.feeds) == 0
    assert made.parts.tail._task is None
    assert made.parts.standings._held == {}
    assert made.parts.places._taken == {}  # type: ignore[attr-defined]


@pytest.fixture
async def place(rows: Rows) -> Place:
    department_id = await rows.department()
    person = await rows.person(department_id)
    return Place(rows, department_id, person, await rows.job(department_id, person.id))
