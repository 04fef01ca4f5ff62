"""The event log as subscriptions follow it: shared by all who have the same scope."""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from domain.errors import DomainError, Forbidden, InvalidInput, NotFound
from domain.jobs import models, reads
from domain.jobs.reads import Cursor, Topic
from domain.permissions import Permission
from domain.scope import Identity, Scope, narrowed
from graph.context import Context
from graph.scalars import decoded_id
from graph.transport.live import Batch, Happening, LiveSource, Log
from graph.transport.operation import Credentials, RequestInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from domain.database import Row
    from domain.identity.standing import Standing
    from graph.context import Parts


@dataclass(frozen=True, slots=True)
class Event:
    """What `JobEvent` reads."""

    cursor: str
    kind: str
    at: datetime
    status: str | None
    progress: int | None
    step: str | None
    message: str | None
    job_id: UUID


class JobLog(Log):
    """The events of a topic as one scope sees them."""

    def __init__(self, parts: Parts, topic: Topic, scope: Scope, *, only_statuses: bool) -> None:
        self._parts = parts
        self._topic = topic
        self._scope = scope
        self._only_statuses = only_statuses
        self.key = (topic, scope.departments, scope.permissions)

    def context(self) -> Context:
        """Makes the context of a batch, in which nobody in particular asks."""
        request = RequestInfo(str(uuid.uuid4()), None, None, "websocket")
        return Context(self._parts, Credentials(), request, self._scope)

    def listening(self, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """Calls ``wake`` after events of the topic were committed."""
        return self._parts.tail.listening(self._topic, self._scope.departments, wake)

    async def mark(self, context: Context) -> tuple[int, bool]:
        """The last event so far, and whether the job has ended. Raises `NotFound`."""
        is_over = await reads.is_over(context.reads, self._topic)
        return await reads.high_water(context.reads, self._topic), is_over

    async def snapshot(self, context: Context) -> tuple[Batch, int]:
        """The jobs of the topic. Raises `NotFound`."""
        is_over = await reads.is_over(context.reads, self._topic)
        jobs, mark = await reads.snapshot(context.reads, self._topic)
        # Only the last one's cursor goes on from the snapshot: whoever is cut off inside it starts
        # it again, and misses none of its jobs.
        marks = [reads.START] * (len(jobs) - 1) + [mark]
        happenings = [
            Happening(mark.event_id, job if self._only_statuses else self._as_snapshot(job, place))
            for job, place in zip(jobs, marks, strict=False)
        ]
        return Batch(happenings, over=is_over), mark.event_id

    async def after(self, context: Context, place: int, until: int | None) -> Batch:
        """The next events; the log ends with the last one of a job that has ended."""
        last = reads.LAST_ID if until is None else until
        rows = await reads.events_after(context.reads, self._topic, place, last)
        happenings = [Happening(row.id, await self._payload(context, row)) for row in rows]
        if len(rows) == reads.BATCH or until is not None:
            return Batch(happenings, full=len(rows) == reads.BATCH)
        try:
            is_over = await reads.is_over(context.reads, self._topic)
        except NotFound as error:
            return Batch(happenings, refusal=error)
        return Batch(happenings, over=is_over)

    async def _payload(self, context: Context, row: Row) -> object | None:
        if not self._only_statuses:
            return self._as_event(row)
        if row.status is None:
            return None
        return await context.loaders.one(models.Job, row.job_id)

    def _as_event(self, row: Row) -> Event:
        return Event(
            self._sealed(reads.cursor_of(row)),
            row.kind,
            row.created_at,
            row.status,
            row.progress,
            row.step,
            row.message,
            row.job_id,
        )

    def _as_snapshot(self, job: Row, mark: Cursor) -> Event:
        return Event(
            self._sealed(mark),
            "snapshot",
            datetime.now(UTC),
            job.status,
            job.progress,
            job.current_step,
            None,
            job.id,
        )

    def _sealed(self, cursor: Cursor) -> str:
        # The log is one for all departments: bare, its ids would tell how busy the others are.
        return self._parts.tokens.sealed(str(cursor))


class JobStream(LiveSource):
    """One subscriber's way through the events of a topic."""

    def __init__(self, parts: Parts, topic: Topic, *, only_statuses: bool = False) -> None:
        self._parts = parts
        self._topic = topic
        self._only_statuses = only_statuses
        self._standings: list[Standing] = []
        self._is_stale = False
        self._watcher: Callable[[], None] | None = None
        self._place_of: str | None = None
        self.place: int | None = None

    @classmethod
    async def opened(
        cls,
        context: Context,
        topic: Topic,
        *,
        department: str | None = None,
        after: str | None = None,
        only_statuses: bool = False,
    ) -> JobStream:
        """Opens a subscription.

        Raises `RateLimited` when the caller has too many, `NotFound` and `Forbidden` for what may
        not be followed, and what `cursor_place` raises.
        """
        parts, caller = context.parts, context.signed_in
        stream = cls(parts, topic, only_statuses=only_statuses)
        stream.place = cursor_place(context, after) if after else None
        try:
            await stream._take_place(str(caller.user_id))
            await stream._hold(caller)
            if department is not None:
                narrow = Identity(caller.user_id, caller.session_id, _narrow(department))
                await stream._hold(narrow)
            await stream.renew()
        except BaseException:
            stream.close()
            raise
        return stream

    def watch(self, changed: Callable[[], None]) -> None:
        """Calls ``changed`` when scope, permissions or session are not what they were."""
        self._watcher = changed
        if self._is_stale:
            changed()

    async def renew(self) -> None:
        """Takes the log anew. Raises what keeps the caller from it."""
        self._is_stale = False
        for standing in self._standings:
            if standing.refusal is not None:
                raise standing.refusal
        scope = self._standings[-1].scope
        if not scope.departments <= self._standings[0].scope.departments:
            message = "There is no such department."
            raise NotFound(message)
        if self._topic.column == "scope" and Permission.JOB_READ not in scope.permissions:
            message = f"This needs the permission {Permission.JOB_READ}."
            raise Forbidden(message)
        self.log = JobLog(self._parts, self._topic, scope, only_statuses=self._only_statuses)

    def close(self) -> None:
        """Gives back what the subscription holds."""
        for standing in self._standings:
            self._parts.standings.release(standing)
        self._standings.clear()
        if self._place_of is not None:
            self._parts.places.leave("subscriptions", self._place_of)
            self._place_of = None

    async def _take_place(self, caller: str) -> None:
        limit = self._parts.settings.subscriptions_per_user
        await self._parts.places.take("subscriptions", caller, limit)
        self._place_of = caller

    async def _hold(self, identity: Identity) -> None:
        self._standings.append(await self._parts.standings.hold(identity, self._changed))

    def _changed(self) -> None:
        self._is_stale = True
        if self._watcher is not None:
            self._watcher()


def cursor_place(context: Context, text: str) -> int | None:
    """The place that a cursor names, None for that of an unfinished snapshot.

    Raises `InvalidInput` for what is no cursor, and `CursorExpired`.
    """
    try:
        cursor = Cursor.parsed(context.parts.tokens.unsealed(text))
    except ValueError:
        message = "This is no cursor of an event. Take one from an event that you received."
        raise InvalidInput.at("after", message, "bad_cursor") from None
    return cursor.event_id if cursor.event_id >= 0 else None


def _narrow(department: str) -> str | None:
    """The code or key that narrows to a department."""
    try:
        type_name, key = decoded_id(department)
    except DomainError:
        return narrowed(department)
    return narrowed(str(key) if type_name == "Department" else department)
