"""The graph over its application in this process, on a database of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from domain.bell import Silence
from domain.reads import Reads
from domain.work import Work
from graph.app import create_app
from graph.scalars import encoded_id
from tests.domain.identity.conftest import Office, office
from tests.factories.fixtures import database, own_database, owner, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from uuid import UUID

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Person

__all__ = ["database", "office", "owner", "rows"]


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """No other module's accounts are in this database."""
    yield from own_database(servers, process_number, settings, "graph_identity")


@dataclass
class Graph:
    """A client of the graph, for whom the office is."""

    http: httpx.AsyncClient
    office: Office
    statements: list[str] = field(default_factory=list)
    """The SQL of the last operation, the opening of its transactions left out."""

    def token(self, person: Person) -> str:
        return self.office.tokens.access(person.id, person.session_id)[0]

    async def ask(
        self,
        query: str,
        person: Person | None = None,
        *,
        token: str | None = None,
        department: str | None = None,
        **variables: Any,
    ) -> dict[str, Any]:
        """The whole answer, as this person or with this token, else as nobody."""
        headers = {"accept": "application/json"}
        if person is not None:
            token = self.token(person)
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if department is not None:
            headers["x-department"] = department
        self.statements.clear()
        answer = await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=headers
        )
        found: dict[str, Any] = answer.json()
        return found

    async def data(self, query: str, *given: Any, **others: Any) -> dict[str, Any]:
        """The data of an operation that must succeed."""
        answer = await self.ask(query, *given, **others)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def refusal(self, query: str, *given: Any, **others: Any) -> dict[str, Any]:
        """The one error of an operation that must be refused, and must change nothing."""
        async with self.office.unchanged():
            answer = await self.ask(query, *given, **others)
        (error,) = answer["errors"]
        found: dict[str, Any] = error
        return found

    async def code(self, query: str, *given: Any, **others: Any) -> str:
        """The code of the one error."""
        found: str = (await self.refusal(query, *given, **others))["extensions"]["code"]
        return found


def user_id(person: Person) -> str:
    return encoded_id("User", person.id)


def department_id(key: UUID) -> str:
    return encoded_id("Department", key)


@pytest.fixture
async def graph(
    settings: Settings, office: Office, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Graph]:
    app = create_app(settings, Silence())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://graph") as http,
    ):
        made = Graph(http, office)
        run, write = Reads._run, Work.rows

        async def noted(self: Reads, statement: Any, arguments: Any) -> Any:
            made.statements.append(statement.text)
            return await run(self, statement, arguments)

        async def noted_write(self: Work, executable: Any, *given: Any, **values: Any) -> Any:
            made.statements.append(getattr(executable, "text", None) or str(executable))
            return await write(self, executable, *given, **values)

        monkeypatch.setattr(Reads, "_run", noted)
        monkeypatch.setattr(Work, "rows", noted_write)
        yield made
