"""Following jobs live: a snapshot, then what was missed, then what happens."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.errors import DomainError, InvalidInput, NotFound, Unauthenticated
from domain.jobs import models, reads
from domain.jobs.reads import Cursor, Topic
from graph.context import Context, Info
from graph.jobs.inputs import JobStatus
from graph.jobs.types import Job
from graph.scalars import decoded_id, key_of

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Row
    from domain.reads import Reads

LOOK_SECONDS = 1.0
"""How often a subscription looks for itself, in case no bell was heard."""

CHECK_SECONDS = 5.0
"""How often it makes sure that the caller may still see what it follows."""


@strawberry.enum(description="What an event of a job tells.")
class JobEventKind(Enum):
    """The kinds of the log, and the snapshot that a stream without a cursor starts with."""

    SNAPSHOT = strawberry.enum_value("snapshot", description="How the job stood at the start.")
    STATUS = strawberry.enum_value("status", description="The job's status changed.")
    PROGRESS = strawberry.enum_value("progress", description="The job came further.")
    STEP = strawberry.enum_value("step", description="The job began another step.")
    MESSAGE = strawberry.enum_value("message", description="Something worth knowing happened.")


@strawberry.type(description="One event of a job, in the order in which events were committed.")
class JobEvent:
    """A row of `job_events`, or a job as the snapshot found it."""

    cursor: str = strawberry.field(
        description="The place of this event: give it as `after` to go on from here."
    )
    kind: JobEventKind = strawberry.field(description="What the event tells.")
    at: datetime = strawberry.field(description="When it happened.")
    status: JobStatus | None = strawberry.field(
        description="The status that the job took, where that is what the event tells."
    )
    progress: int | None = strawberry.field(description="How far the job was, in percent.")
    step: str | None = strawberry.field(description="What the job was doing.")
    message: str | None = strawberry.field(description="What happened, as a sentence.")

    @strawberry.field(description="The job as it is now; null once it can no longer be seen.")
    async def job(self, info: Info) -> Job | None:
        """Loads the job in the event's own snapshot."""
        event: Any = self
        return await info.context.loaders.one(models.Job, event.job_id)  # type: ignore[return-value]


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

    @property
    def final(self) -> bool:
        """Whether its job has ended with it."""
        return self.status in models.FINAL


@strawberry.type
class JobSubscriptions:
    """Root fields that stream."""

    @strawberry.subscription(
        description=(
            "Streams the events of one job, of the jobs of one dataset, or of the active jobs of "
            "one department and all below it. It starts with a snapshot, or with `after` with "
            "what came after that cursor. The stream of one job ends when the job does."
        )
    )
    async def job_events(
        self,
        info: Info,
        job_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The job to follow.")
        ] = None,
        dataset_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="The dataset whose jobs to follow."),
        ] = None,
        department: Annotated[
            str | None,
            strawberry.argument(
                description="The code or id of the department whose jobs to follow."
            ),
        ] = None,
        after: Annotated[
            str | None,
            strawberry.argument(description="The cursor of the last event that was received."),
        ] = None,
    ) -> AsyncGenerator[JobEvent, None]:
        """Needs job:read; exactly one of the three topics is given."""
        if sum(given is not None for given in (job_id, dataset_id, department)) != 1:
            raise InvalidInput.at("jobId", "Give one of jobId, datasetId and department.")
        narrow = None
        if job_id is not None:
            topic = Topic("job_id", key_of("Job", job_id))
        elif dataset_id is not None:
            topic = Topic("dataset_id", key_of("Dataset", dataset_id))
        else:
            topic = Topic("scope")
            narrow = await _department(info.context, department or "")
        start = after or info.context.request.last_event_id
        stream = Stream(info.context, topic, narrow)
        async for event in stream.events(_cursor(info.context, start) if start else None):
            yield event  # type: ignore[misc]

    @strawberry.subscription(
        description="Streams a job each time its status changes, starting with how it stands."
    )
    async def job_status_changed(
        self,
        info: Info,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="The job to follow.")],
    ) -> AsyncGenerator[Job, None]:
        """Needs job:read."""
        stream = Stream(info.context, Topic("job_id", key_of("Job", job_id)), None)
        async for event in stream.events(None):
            if event.status is None:
                continue
            job = await info.context.loaders.one(models.Job, event.job_id)
            if job is not None:
                yield job  # type: ignore[misc]


class Stream:
    """The events of a topic, for one subscriber."""

    def __init__(self, context: Context, topic: Topic, narrow: str | None) -> None:
        self._context = context
        self._topic = topic
        self._narrow = narrow
        self._checked = 0.0

    async def events(self, after: Cursor | None) -> AsyncIterator[Event]:
        """Gives what came after a cursor, or a snapshot first, and goes on until the job ends.

        Raises `NotFound` when the topic can't be seen, and `Unauthenticated` when the session ends
        or the token runs out.
        """
        if after is None or after.event_id < 0:
            async with self._reads() as source:
                await self._check(source)
                jobs, after = await reads.snapshot(source, self._topic)
            for place, job in enumerate(jobs, start=1):
                # Only the last one's cursor goes on from the snapshot: whoever is cut off inside
                # it starts it again, and misses none of its jobs.
                mark = after if place == len(jobs) else reads.START
                event = _as_snapshot(job, self._sealed(mark))
                yield event
                if self._over(event):
                    return
        position = after.event_id
        while True:
            async with self._reads() as source:
                await self._check(source)
                rows = await reads.events_after(source, self._topic, position)
            for row in rows:
                event = _as_event(row, self._sealed(reads.cursor_of(row)))
                yield event
                position = row.id
                if self._over(event):
                    return
            if not rows:
                await self._context.parts.bell.heard(LOOK_SECONDS)

    def _sealed(self, cursor: Cursor) -> str:
        # The log is one for all departments: bare, its ids would tell how busy the others are.
        return self._context.parts.tokens.sealed(str(cursor))

    def _over(self, event: Event) -> bool:
        return self._topic.column == "job_id" and event.final

    @asynccontextmanager
    async def _reads(self) -> AsyncIterator[Reads]:
        # A snapshot of its own, closed before an event goes out: what an event's fields read comes
        # from a later one, and no connection is held while the client takes its time.
        await self._context.end_event()
        source = (
            self._context.reads if self._narrow is None else self._context.narrowed_to(self._narrow)
        )
        try:
            yield source
        finally:
            await source.close()
            await self._context.end_event()

    async def _check(self, source: Reads) -> None:
        claims = self._context.claims
        if claims is not None and claims.expires_at <= datetime.now(UTC):
            message = "The access token has expired. Refresh it and go on from the last cursor."
            raise Unauthenticated(message)
        if time.monotonic() - self._checked < CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        key = self._topic.key
        if key is not None and not await source.by_keys(self._topic.model, [key]):
            message = "There is nothing with this id to follow."
            raise NotFound(message)


def _cursor(context: Context, text: str) -> Cursor:
    try:
        return Cursor.parsed(context.parts.tokens.unsealed(text))
    except ValueError:
        message = "This is no cursor of an event. Take one from an event that you received."
        raise InvalidInput.at("after", message, "bad_cursor") from None


async def _department(context: Context, text: str) -> str:
    """The code or key that narrows to a department, which the present scope must hold."""
    try:
        type_name, key = decoded_id(text)
        narrow = str(key) if type_name == "Department" else text
    except DomainError:
        narrow = text
    seen = (await context.reads.scope()).departments
    await context.end_event()
    inner = context.narrowed_to(narrow)
    try:
        if not (await inner.scope()).departments <= seen:
            message = "There is no such department."
            raise NotFound(message)
    finally:
        await inner.close()
    return narrow


def _as_event(row: Row, cursor: str) -> Event:
    return Event(
        cursor,
        row.kind,
        row.created_at,
        row.status,
        row.progress,
        row.step,
        row.message,
        row.job_id,
    )


def _as_snapshot(job: Row, cursor: str) -> Event:
    return Event(
        cursor,
        "snapshot",
        datetime.now(UTC),
        job.status,
        job.progress,
        job.current_step,
        None,
        job.id,
    )
