"""Two departments side by side, one of them with another below it, and their people."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from domain.bell import Silence
from domain.database import Hold
from domain.identity.tokens import Tokens
from domain.reads import Reads
from domain.work import working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.database import Database, Row
    from domain.identity.actions.users import Works
    from domain.settings import Settings
    from tests.factories.rows import Person, Rows

TABLES = (
    "departments",
    "users",
    "user_departments",
    "user_roles",
    "sessions",
    "workspaces",
    "idempotency_keys",
    "user_identities",
    "api_tokens",
    "audit_logs",
)


@dataclass
class Office:
    """``place`` with ``below`` and their manager, and ``elsewhere``, of which they see nothing."""

    database: Database
    rows: Rows
    tokens: Tokens
    place: UUID
    below: UUID
    elsewhere: UUID
    manager: Person

    def works(self, person: Person | None = None, narrow: str | None = None) -> Works:
        """Opens works of a person, the manager unless said otherwise."""
        identity = (person or self.manager).identity(narrow)
        return partial(working, self.database, identity, Silence())

    @asynccontextmanager
    async def reads(self, person: Person | None = None) -> AsyncIterator[Reads]:
        reads = Reads(self.database, (person or self.manager).identity(), Hold())
        try:
            yield reads
        finally:
            await reads.close()

    async def row(self, table: str, key: UUID) -> Row:
        """A row as it is now, whoever may see it."""
        found: Row = await self.rows.connection.fetchrow(
            f"select * from {table} where id = $1",  # noqa: S608 (a test's own word)
            key,
        )
        return found

    async def code(self, department_id: UUID) -> str:
        found: str = (await self.row("departments", department_id)).code
        return found

    async def departments_of(self, user_id: UUID) -> set[UUID]:
        found = await self.rows.connection.fetch(
            "select department_id from user_departments where user_id = $1", user_id
        )
        return {row.department_id for row in found}

    async def roles_of(self, user_id: UUID) -> set[str]:
        found = await self.rows.connection.fetch(
            "select name from roles r join user_roles ur on ur.role_id = r.id where user_id = $1",
            user_id,
        )
        return {row.name for row in found}

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Fails where any account, membership, session or department is another one afterwards."""
        before = await self._contents()
        yield
        assert await self._contents() == before

    async def _contents(self) -> dict[str, list[Any]]:
        return {
            table: await self.rows.connection.fetch(
                # That a token was used is noted of whatever it asks.
                f"select to_jsonb(t) - $1::text[] from {table} t order by id",  # noqa: S608
                ["last_used_at", "updated_at"] if table == "api_tokens" else [],
            )
            for table in TABLES
        }


@pytest.fixture
async def office(database: Database, rows: Rows, settings: Settings) -> Office:
    # All tests seem to come from one address, whose wrong passwords would run out.
    await rows.connection.execute("delete from login_attempts")
    place = await rows.department()
    below = await rows.department(place)
    elsewhere = await rows.department()
    manager = await rows.person(place)
    return Office(database, rows, Tokens(settings), place, below, elsewhere, manager)


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that passwords are compared with, as that goes on."""
    seen: list[bytes] = []
    compare = bcrypt.checkpw

    def noted(password: bytes, hashed: bytes) -> bool:
        seen.append(hashed)
        return compare(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    return seen
