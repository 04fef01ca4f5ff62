"""One change of state in one write transaction: everything or nothing.

In it the permission is checked, rows change and events are written.

The exception is a refusal that keeps its own bookkeeping, such as a counted login attempt: raise it
through `Work.refuse`.
"""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

import asyncpg
import orjson

from domain.database import LOST, Hold, Row, translated
from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    InvalidInput,
    NotFound,
    Unauthenticated,
)
from domain.reads import SCOPE
from domain.scope import Identity, Origin, Scope, opening, traced
from domain.statements import Statement, compiled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sqlalchemy.sql.base import Executable

    from domain.bell import Bell
    from domain.database import Database
    from domain.jobs.models import EventKind, JobStatus
    from domain.models import Base
    from domain.permissions import Permission

LONGEST_KEY = 200

IN_PERSON = "Only a person's own session may do this, no API token."

NEW_ID = Statement("select uuidv7() as id", (), {}, Row)


@dataclass(frozen=True, slots=True)
class Committed(Exception):
    """Leaves a Work with its bookkeeping committed; only `Work` raises and catches it."""

    error: DomainError


class Work:
    """A write transaction and what goes with it."""

    def __init__(self, connection: Any, identity: Identity | None, scope: Scope) -> None:
        self._connection = connection
        self._cleared = False
        self._events: list[dict[str, Any]] = []
        self._rings: list[str | None] = []
        self._access_changed = False
        self.identity = identity
        self.scope = scope

    @property
    def user_id(self) -> UUID:
        """Who acts. Raises `Unauthenticated` in public work."""
        if self.identity is None:
            message = "Sign in first: this needs an access token."
            raise Unauthenticated(message)
        return self.identity.user_id

    def require(self, permission: Permission, department_id: UUID) -> None:
        """Checks that the caller may do this there; a Work that required nothing can't commit.

        Raises `NotFound` where the department is outside the scope, else `Forbidden`.
        """
        if department_id not in self.scope.departments:
            message = "There is no such department."
            raise NotFound(message)
        if permission not in self.scope.permissions:
            message = f"This needs the permission {permission}."
            raise Forbidden(message)
        self._cleared = True

    def public(self) -> None:
        """Declares that this work needs no permission, because it is how one gets them."""
        self._cleared = True

    def own(self) -> None:
        """Declares that this work touches only what belongs to the caller.

        Raises `Forbidden` to a machine: its token stands for some of a person's rights, not for the
        person.
        """
        if self.identity is not None and self.identity.token is not None:
            raise Forbidden(IN_PERSON)
        self._cleared = self.identity is not None

    def refuse(self, error: DomainError) -> NoReturn:
        """Raises ``error`` to the caller, and commits what was written so far."""
        raise Committed(error)

    async def become(self, user_id: UUID) -> None:
        """Makes public work act for an account that has proved itself, or tries to."""
        self.identity = Identity(user_id, None)
        await self._fetch("select set_config('app.user_id', $1, true)", str(user_id))

    async def widen(self, department_id: UUID) -> None:
        """Adds a department that this work is about to make to its scope."""
        self.scope = Scope(self.scope.departments | {department_id}, self.scope.permissions)
        await self._fetch(
            "select set_config('app.department_ids', $1, true)",
            "{" + ",".join(str(d) for d in self.scope.departments) + "}",
        )

    async def rows(
        self, executable: Executable | Statement, model: type[Base] | None = None, **values: Any
    ) -> list[Row]:
        """Runs a statement; its rows, if it gives any, are of ``model``.

        Raises `Conflict`, `NotFound` or `Unauthenticated` as the database's own rules refuse, and
        `Unavailable` when the connection is lost.
        """
        statement = executable if isinstance(executable, Statement) else compiled(executable, model)
        arguments = statement.arguments(values)
        return await self._fetch(statement.text, *arguments, kind=statement.row)

    async def row(
        self, executable: Executable | Statement, model: type[Base] | None = None, **values: Any
    ) -> Row | None:
        """The first row of a statement, or None."""
        rows = await self.rows(executable, model, **values)
        return rows[0] if rows else None

    async def new_id(self) -> UUID:
        """A fresh UUIDv7, for rows that can't be returned when they are inserted."""
        row = await self.row(NEW_ID)
        assert row is not None  # noqa: S101 (a select without FROM gives one row)
        return UUID(str(row.id))

    def event(
        self,
        job: Row,
        kind: EventKind,
        *,
        status: JobStatus | str | None = None,
        progress: int | None = None,
        step: str | None = None,
        message: str | None = None,
    ) -> None:
        """Adds an event of a job; all of them are written last, in this order."""
        self._events.append(
            {
                "department_id": str(job.department_id),
                "job_id": str(job.id),
                "dataset_id": str(job.dataset_id) if job.dataset_id else None,
                "kind": kind,
                "status": status,
                "progress": progress,
                "step": step,
                "message": message,
            }
        )

    def ring(self, message_id: str | None = None) -> None:
        """Has the workers' bell rung once this is committed, with an id for the message."""
        self._rings.append(message_id)

    def access_changed(self) -> None:
        """Has all who keep streams open look again at what their callers may see and do."""
        self._access_changed = True

    async def once(self, operation: str, key: str | None, given: Mapping[str, Any]) -> UUID | None:
        """Takes an idempotency key; gives the id of what it made before, or None when it is new.

        Twins wait here for each other, because a key is unique for its user. Raises `Conflict`
        when the key was used for something else, `InvalidInput` for what can be no key.
        """
        if key is None:
            return None
        if not 0 < len(key) <= LONGEST_KEY or "\0" in key:
            message = f"An idempotency key has 1 to {LONGEST_KEY} characters, NUL not among them."
            raise InvalidInput.at("idempotencyKey", message)
        text = orjson.dumps(given, option=orjson.OPT_SORT_KEYS, default=str)
        digest = hashlib.sha256(text).hexdigest()
        taken = await self._fetch(
            "insert into idempotency_keys (user_id, key, operation, input_hash) "
            "values ($1, $2, $3, $4) on conflict (user_id, key) do nothing returning id",
            self.user_id,
            key,
            operation,
            digest,
        )
        if taken:
            return None
        (row,) = await self._fetch(
            "select operation, input_hash, object_id from idempotency_keys "
            "where user_id = $1 and key = $2",
            self.user_id,
            key,
        )
        if row.operation != operation or row.input_hash != digest:
            message = "This idempotency key was used with another input. Choose a new key."
            raise Conflict(message)
        return UUID(str(row.object_id)) if row.object_id else None

    async def made(self, key: str | None, object_id: UUID) -> None:
        """Notes what an idempotency key made, for its replays."""
        if key is not None:
            await self._fetch(
                "update idempotency_keys set object_id = $1 where user_id = $2 and key = $3",
                object_id,
                self.user_id,
                key,
            )

    async def _fetch(self, text: str, *arguments: Any, kind: type[Row] = Row) -> list[Row]:
        try:
            rows: list[Row] = await self._connection.fetch(text, *arguments, record_class=kind)
        except (asyncpg.PostgresError, *LOST) as error:
            raise translated(error) from error
        return rows

    def _finish(self) -> str:
        if not self._cleared:
            message = "This work required no permission, so it may not commit."
            raise RuntimeError(message)
        # It takes the lock on the log of events. The driver sends it together with the commit only
        # as plain text, so the events are a literal in it, where nothing but a quote needs care.
        if not self._events:
            return ""
        literal = orjson.dumps(self._events).decode().replace("'", "''")
        return f"select append_job_events('{literal}'::jsonb)"


@asynccontextmanager
async def working(
    database: Database,
    identity: Identity | None,
    bell: Bell,
    hold: Hold | None = None,
    origin: Origin | None = None,
) -> AsyncIterator[Work]:
    """Opens a Work for ``identity`` (None: public), commits it, and rings what it asks for.

    ``origin`` is what the audit log tells of where its changes come from.

    Raises `Unauthenticated` when the account or session no longer holds.
    """
    text = (
        f"begin isolation level read committed; {traced(origin)}".rstrip("; ")
        if identity is None
        else opening(identity, write=True, origin=origin)
    )
    refused: DomainError | None = None
    hold = hold or Hold()
    async with database.transaction(text, hold) as (connection, _):
        work = Work(connection, identity, Scope(frozenset(), frozenset()))
        if identity is not None:
            row = await work.row(SCOPE)
            assert row is not None  # noqa: S101 (a select without FROM gives one row)
            work.scope = Scope(frozenset(row.departments), frozenset(row.permissions or ()))
        try:
            yield work
        except Committed as left:
            refused = left.error
        hold.last = work._finish()  # noqa: SLF001 (only this opener may finish a Work)
    await _ring(work, bell)
    if refused is not None:
        raise refused


@asynccontextmanager
async def running(
    database: Database, department_id: UUID, user_id: UUID, bell: Bell
) -> AsyncIterator[Work]:
    """Opens a Work of the job protocol inside one department.

    It keeps the truth about a job whoever made it, so it asks for no permission; what a job
    publishes goes through `working` as its creator.
    """
    text = (
        f"begin isolation level read committed; {traced(Origin(reason='job'))}"
        f"select set_config('app.department_ids', '{{{department_id}}}', true), "
        f"set_config('app.user_id', '{user_id}', true)"
    )
    hold = Hold()
    async with database.transaction(text, hold) as (connection, _):
        work = Work(
            connection, Identity(user_id, None), Scope(frozenset({department_id}), frozenset())
        )
        work.public()
        yield work
        hold.last = work._finish()  # noqa: SLF001 (only this opener may finish a Work)
    await _ring(work, bell)


async def _ring(work: Work, bell: Bell) -> None:
    if work._events:  # noqa: SLF001 (the rest of a Work's end)
        await bell.events()
    for message_id in work._rings:  # noqa: SLF001 (the rest of a Work's end)
        await bell.work(message_id)
    if work._access_changed:  # noqa: SLF001 (the rest of a Work's end)
        await bell.access()
