"""What every read goes through: one read-only transaction at one snapshot, for one operation.

The connection is taken at the first statement and given back by `close`. Statements run one at a
time. What a field's own task asks for runs as a task that the field's cancelling never reaches, so
that it can't leave the transaction in pieces under its siblings; what the operation itself asks for
ends with it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from domain import paging
from domain.database import LOST, Row, translated
from domain.errors import DomainError, Unauthenticated, Unavailable
from domain.filters import weighed
from domain.paging import MERGED_DEPARTMENTS, Page, Rows
from domain.scope import Identity, Scope, opening, opening_shared
from domain.statements import Statement

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from uuid import UUID

    from domain.database import Database, Hold
    from domain.filters import Condition
    from domain.models import Base

SCOPE = Statement(
    "select current_setting('app.department_ids')::uuid[] as departments, "
    "string_to_array(nullif(current_setting('app.permissions'), ''), ',') as permissions",
    (),
    {},
    Row,
)


class Reads:
    """The reads of one operation, or of one event of a subscription.

    ``identity`` is who reads; a `Scope` stands for all who share it, and None for nobody.
    """

    def __init__(self, database: Database, identity: Identity | Scope | None, hold: Hold) -> None:
        self._database = database
        self._identity = identity
        self._hold = hold
        self._owner = asyncio.current_task()
        self._lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._running: set[asyncio.Task[Any]] = set()
        self._connection: Any = None
        self._departments = 0
        self._scope: Scope | None = None
        self._refusal: DomainError | None = None
        self._closing: asyncio.Task[None] | None = None
        self._ended = False
        self.failure: BaseException | None = None
        """The first unexpected failure of a statement; the whole operation fails with it."""

    async def rows(self, statement: Statement, **values: Any) -> list[Row]:
        """Runs a statement in the snapshot.

        Raises `Unauthenticated` when nobody is signed in, and what the database refuses.
        """
        rows: list[Row] = await self._guarded(self._run(statement, statement.arguments(values)))
        return rows

    async def row(self, statement: Statement, **values: Any) -> Row | None:
        """The only row of a statement, or None."""
        rows = await self.rows(statement, **values)
        return rows[0] if rows else None

    async def by_keys(
        self, model: type[Base], keys: Sequence[UUID], columns: frozenset[str] | None = None
    ) -> dict[UUID, Row]:
        """The visible rows of a table among these keys, with all or these columns."""
        rows = await self.rows(paging.by_keys(model, columns), keys=list(keys))
        return {row.id: row for row in rows}

    async def children(
        self,
        model: type[Base],
        parent: str,
        keys: Sequence[UUID],
        page: Page,
        columns: frozenset[str] | None = None,
    ) -> dict[UUID, Rows]:
        """A page of children for each key of the foreign key ``parent``, in one statement."""
        leading = parent == "department_id"
        shape = page.shape(model, leading=leading)
        statement = paging.children(model, parent, shape, columns)
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
        statement = paging.child_counts(model, parent, weighed(model, conditions))
        values = {c.parameter: c.argument for c in conditions}
        rows = await self.rows(statement, keys=list(keys), **values)
        return {row.key: row["count"] for row in rows}

    async def page(
        self, model: type[Base], page: Page, columns: frozenset[str] | None = None
    ) -> Rows:
        """A page over all that the scope opens, with all or these columns."""
        arguments = page.arguments(model)
        if self._connection is None:
            await self._guarded(self._opened())
        merged = self._departments <= MERGED_DEPARTMENTS
        shape = page.shape(model, leading=True)
        statement = paging.scoped(model, shape, columns, merged=merged)
        return Rows.of(await self.rows(statement, **arguments), page)

    async def count(self, model: type[Base], conditions: tuple[Condition, ...]) -> int:
        """How many rows the scope opens."""
        values = {c.parameter: c.argument for c in conditions}
        row = await self.row(paging.scoped_count(model, weighed(model, conditions)), **values)
        return int(row["count"]) if row else 0

    async def scope(self) -> Scope:
        """The departments and permissions that this transaction was opened with."""
        if self._scope is None:
            row = await self.row(SCOPE)
            assert row is not None  # noqa: S101 (a select without FROM gives one row)
            self._scope = Scope(frozenset(row.departments), frozenset(row.permissions or ()))
        return self._scope

    async def close(self) -> None:
        """Waits for what still runs and gives the connection back, even if the wait is cancelled.

        Whatever asks afterwards is refused. It may be called again.
        """
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        self._ended = True
        failure = self.failure
        # Nothing was to be committed, so a connection that is lost only now takes nothing away.
        with suppress(Unavailable):
            if failure is None:
                await self._stack.aclose()
            else:
                await self._stack.__aexit__(type(failure), failure, failure.__traceback__)

    async def _guarded(self, statement: Coroutine[Any, Any, Any]) -> Any:
        if asyncio.current_task() is self._owner:
            # It is cancelled only together with all that could go on in this transaction.
            return await statement
        task = asyncio.ensure_future(statement)
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _opened(self) -> None:
        async with self._lock:
            await self._open()

    async def _open(self) -> Any:
        if self._refusal is not None:
            raise self._refusal
        if self._ended:
            message = "This snapshot has ended."
            raise RuntimeError(message)
        if self._connection is None:
            try:
                self._connection, self._departments = await self._entered()
            except DomainError as error:
                # Each further statement would only be refused for the same reason, and as slowly.
                self._refusal = error
                raise
            except BaseException as error:
                self.failure = error
                raise
        return self._connection

    async def _entered(self) -> tuple[Any, int]:
        if self._identity is None:
            message = "Sign in first: this needs an access token."
            raise Unauthenticated(message)
        text = (
            opening_shared(self._identity)
            if isinstance(self._identity, Scope)
            else opening(self._identity, write=False)
        )
        return await self._stack.enter_async_context(self._database.transaction(text, self._hold))

    async def _run(self, statement: Statement, arguments: list[Any]) -> list[Row]:
        async with self._lock:
            if self.failure is not None:
                raise self.failure
            connection = await self._open()
            try:
                rows: list[Row] = await connection.fetch(
                    statement.text, *arguments, record_class=statement.row
                )
            except LOST as error:
                self.failure = translated(error)
                raise self.failure from error
            except BaseException as error:
                # The transaction is spoiled: nothing that follows in it could be trusted.
                self.failure = error
                raise
            return rows

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Nobody may be left to await a shielded statement; its failure is kept above.
            task.exception()
