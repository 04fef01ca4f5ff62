"""What every read goes through: one read-only transaction at one snapshot, for one operation.

The connection is taken at the first statement and given back by `close`. Statements run one at a
time, each as a task that the cancelling of its caller never reaches, so a cancelled field can't
leave the transaction in pieces under its siblings.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from domain import paging
from domain.database import LOST, Row
from domain.errors import DomainError, Unauthenticated, Unavailable
from domain.paging import MERGED_DEPARTMENTS, Page, Rows
from domain.scope import Identity, Scope, opening
from domain.statements import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.database import Database, Hold
    from domain.models import Base
    from domain.paging import Condition

SCOPE = Statement(
    "select current_setting('app.department_ids')::uuid[] as departments, "
    "string_to_array(nullif(current_setting('app.permissions'), ''), ',') as permissions",
    (),
    {},
    Row,
)


class Reads:
    """The reads of one operation, or of one event of a subscription."""

    def __init__(self, database: Database, identity: Identity | None, hold: Hold) -> None:
        self._database = database
        self._identity = identity
        self._hold = hold
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._running: set[asyncio.Task[list[Row]]] = set()
        self._connection: Any = None
        self._departments = 0
        self._scope: Scope | None = None
        self._closed = False
        self.failure: BaseException | None = None
        """The first unexpected failure of a statement; the whole operation fails with it."""

    async def rows(self, statement: Statement, **values: Any) -> list[Row]:
        """Runs a statement in the snapshot.

        Raises `Unauthenticated` when nobody is signed in, and what the database refuses.
        """
        task = asyncio.ensure_future(self._run(statement, statement.arguments(values)))
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def row(self, statement: Statement, **values: Any) -> Row | None:
        """The only row of a statement, or None."""
        rows = await self.rows(statement, **values)
        return rows[0] if rows else None

    async def by_keys(self, model: type[Base], keys: Sequence[UUID]) -> dict[UUID, Row]:
        """The visible rows of a table among these keys."""
        rows = await self.rows(paging.by_keys(model), keys=list(keys))
        return {row.id: row for row in rows}

    async def children(
        self, model: type[Base], parent: str, keys: Sequence[UUID], page: Page
    ) -> dict[UUID, Rows]:
        """A page of children for each key of the foreign key ``parent``, in one statement."""
        statement = paging.children(model, parent, page.shape())
        rows = await self.rows(statement, keys=list(keys), **page.arguments(model))
        grouped: dict[UUID, list[Row]] = {key: [] for key in keys}
        for row in rows:
            grouped[row[parent]].append(row)
        return {key: Rows.of(group, page) for key, group in grouped.items()}

    async def child_counts(
        self,
        model: type[Base],
        parent: str,
        keys: Sequence[UUID],
        conditions: tuple[Condition, ...],
    ) -> dict[UUID, int]:
        """How many children each key has, in one statement."""
        statement = paging.child_counts(model, parent, conditions)
        values = {c.parameter: c.argument for c in conditions}
        rows = await self.rows(statement, keys=list(keys), **values)
        return {row.key: row["count"] for row in rows}

    async def page(self, model: type[Base], page: Page) -> Rows:
        """A page over all that the scope opens."""
        arguments = page.arguments(model)
        await self._opened()
        merged = self._departments <= MERGED_DEPARTMENTS
        statement = paging.scoped(model, page.shape(), merged=merged)
        return Rows.of(await self.rows(statement, **arguments), page)

    async def count(self, model: type[Base], conditions: tuple[Condition, ...]) -> int:
        """How many rows the scope opens."""
        values = {c.parameter: c.argument for c in conditions}
        row = await self.row(paging.scoped_count(model, conditions), **values)
        return int(row["count"]) if row else 0

    async def scope(self) -> Scope:
        """The departments and permissions that this transaction was opened with."""
        if self._scope is None:
            row = await self.row(SCOPE)
            assert row is not None  # noqa: S101 (a select without FROM gives one row)
            self._scope = Scope(frozenset(row.departments), frozenset(row.permissions or ()))
        return self._scope

    async def close(self) -> None:
        """Waits for what still runs and gives the connection back."""
        if self._closed:
            return
        self._closed = True
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)
        await self._stack.aclose()

    async def _opened(self) -> None:
        async with self._lock:
            await self._open()

    async def _open(self) -> Any:
        if self._connection is None:
            if self._identity is None:
                message = "Sign in first: this needs an access token."
                raise Unauthenticated(message)
            transaction = self._database.transaction(
                opening(self._identity, write=False), self._hold
            )
            self._connection, self._departments = await self._stack.enter_async_context(transaction)
        return self._connection

    async def _run(self, statement: Statement, arguments: list[Any]) -> list[Row]:
        async with self._lock:
            if self.failure is not None:
                raise self.failure
            try:
                connection = await self._open()
                rows: list[Row] = await connection.fetch(
                    statement.text, *arguments, record_class=statement.row
                )
            except DomainError:
                raise
            except LOST as error:
                message = "The database went away. Try again."
                self.failure = Unavailable(message)
                raise self.failure from error
            except BaseException as error:
                # The transaction is spoiled: nothing that follows in it could be trusted.
                self.failure = error
                raise
            return rows

    def _done(self, task: asyncio.Task[list[Row]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Nobody may be left to await a shielded statement; its failure is kept above.
            task.exception()
