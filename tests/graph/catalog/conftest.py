"""The application itself, asked as people of departments, over a database that no worker sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from domain.bell import Silence
from domain.identity.tokens import Tokens
from graph.app import create_app
from tests.factories.fixtures import database, own_database, owner, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Person, Rows

__all__ = ["database", "owner", "rows"]

MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asker:
    """A client of the graph."""

    client: httpx.AsyncClient
    tokens: Tokens

    async def ask(
        self,
        person: Person,
        query: str,
        variables: dict[str, Any] | None = None,
        department: str | None = None,
    ) -> dict[str, Any]:
        """Sends an operation and gives the whole answer."""
        token, _ = self.tokens.access(person.id, person.session_id)
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        if department is not None:
            headers["x-department"] = department
        answer = await self.client.post(
            "/graphql", json={"query": query, "variables": variables or {}}, headers=headers
        )
        found: dict[str, Any] = answer.json()
        return found

    async def data(self, person: Person, query: str, **variables: Any) -> Any:
        """What an operation that must succeed answers."""
        answer = await self.ask(person, query, variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def refusal(self, person: Person, query: str, **variables: Any) -> dict[str, Any]:
        """The extensions of the error of an operation that must be refused."""
        answer = await self.ask(person, query, variables)
        assert answer.get("errors"), answer
        extensions: dict[str, Any] = answer["errors"][0]["extensions"]
        return extensions


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """Small uploads already go in parts, and no worker runs what is queued."""
    small = settings.model_copy(
        update={"upload_single_bytes": 5 * MiB - 1, "upload_part_bytes": 5 * MiB}
    )
    yield from own_database(servers, process_number, small, "catalog")


@pytest.fixture
async def asker(settings: Settings) -> AsyncIterator[Asker]:
    app = create_app(settings, Silence())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield Asker(client, Tokens(settings))


@pytest.fixture
async def department(rows: Rows) -> UUID:
    return await rows.department()


@pytest.fixture
async def editor(rows: Rows, department: UUID) -> Person:
    return await rows.person(department, roles=("editor",))
