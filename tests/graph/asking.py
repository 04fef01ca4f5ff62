"""Operations that are executed in the test's own process, and what they send to the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.bell import Silence
from domain.database import Connection, Database
from domain.identity.tokens import Tokens
from domain.storage import Storage
from graph.app import execution_of
from graph.context import Context, Parts
from graph.schema import schema
from graph.transport.gateway import Gateway
from graph.transport.operation import Credentials, OperationRequest, OperationResult, RequestInfo

if TYPE_CHECKING:
    import pytest

    from domain.settings import Settings
    from tests.factories.rows import Person, Rows


class Counter:
    """What was sent to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        for name in ("fetch", "execute"):
            self._count(monkeypatch, name)

    def _count(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        sent = getattr(Connection, name)

        async def counted(connection: Any, text: str, *args: Any, **options: Any) -> Any:
            self.texts.append(text)
            return await sent(connection, text, *args, **options)

        monkeypatch.setattr(Connection, name, counted)

    def sent(self) -> list[str]:
        """What was sent since the last call, the end of the transaction aside."""
        texts = [text for text in self.texts if text not in ("commit", "rollback")]
        self.texts.clear()
        return texts


class Asker:
    """Executes operations in this process as one person."""

    def __init__(self, settings: Settings, database: Database, person: Person) -> None:
        tokens = Tokens(settings)
        parts = Parts(settings, database, Storage(settings), Silence(), tokens)
        self._gateway = Gateway(
            schema()._schema,
            lambda credentials, info: Context(parts, credentials, info),
            execution_context_class=execution_of(settings),
        )
        token, _ = tokens.access(person.id, person.session_id)
        self._credentials = Credentials(f"Bearer {token}", None)

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        """Gives the data of an operation that must succeed."""
        result = await self.answer(query, variables)
        assert not result.errors, result.errors
        return result.data

    async def answer(self, query: str, variables: dict[str, Any] | None = None) -> OperationResult:
        """Gives the whole answer to an operation."""
        request = OperationRequest(query, None, variables, None)
        info = RequestInfo("a-request", None, None, "http")
        return await self._gateway.execute(request, self._credentials, info)


async def filled(rows: Rows, datasets: int) -> Person:
    department_id = await rows.department()
    person = await rows.person(department_id)
    for _ in range(datasets):
        dataset = await rows.dataset(department_id, person.id)
        for _ in range(2):
            job = await rows.job(department_id, person.id, dataset, status="succeeded")
            await rows.result(job)
    return person
