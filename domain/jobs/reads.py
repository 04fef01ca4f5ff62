"""Reads of the event log: a snapshot with its high-water mark, then what came after."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import (
    BigInteger,
    Integer,
    Select,
    Uuid,
    bindparam,
    func,
    select,
    true,
)

from domain.catalog.models import Dataset
from domain.errors import CursorExpired, InvalidInput, NotFound
from domain.filters import Condition, Operator
from domain.jobs.models import FINAL, Job, JobEvent, JobStatus
from domain.paging import Page, each_department, visible
from domain.scope import permitted
from domain.statements import columns, kept

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import ColumnElement, Subquery

    from domain.database import Row
    from domain.models import Base
    from domain.reads import Reads

KEPT = timedelta(days=90)
"""How long events are kept; the sweeper deletes older ones."""

BATCH = 200
TOUCHED = 1000
"""How many events one look at the end of the log takes in."""

SNAPSHOT_JOBS = 100
LAST_ID = 2**63 - 1

ACTIVE = (Condition("status", Operator.IN, [JobStatus.QUEUED, JobStatus.PROCESSING]),)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: the id of the last event seen, and when that was."""

    event_id: int
    at: datetime

    def __str__(self) -> str:
        """The opaque text that clients keep."""
        text = f"{self.event_id}.{int(self.at.timestamp())}"
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def parsed(cls, text: str) -> Cursor:
        """Reads a client's cursor.

        Raises `InvalidInput` for what is none, and `CursorExpired` when later events may be gone.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            event_id, seconds = base64.b64decode(padded, altchars=b"-_", validate=True).split(b".")
            cursor = cls(int(event_id), datetime.fromtimestamp(int(seconds), UTC))
        except (ValueError, OverflowError, OSError):
            raise cls._unknown() from None
        if not -1 <= cursor.event_id < 2**63:
            raise cls._unknown()
        if cursor.event_id >= 0 and cursor.at < datetime.now(UTC) - KEPT:
            message = "Events that old are no longer kept. Subscribe again without a cursor."
            raise CursorExpired(message)
        return cursor

    @staticmethod
    def _unknown() -> InvalidInput:
        message = "This is no cursor of an event. Take one from an event that you received."
        return InvalidInput.at("after", message, "bad_cursor")


START = Cursor(-1, datetime.fromtimestamp(0, UTC))
"""The cursor of an unfinished snapshot: going on from it starts with a snapshot again."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Whose events: those of one job or one dataset, or without a key all that the scope opens.

    A department with all below it is a scope narrowed to it.
    """

    column: Literal["job_id", "dataset_id", "scope"]
    key: UUID | None = None

    @property
    def model(self) -> type[Base]:
        """The table of what ``key`` names."""
        return Job if self.column == "job_id" else Dataset


async def snapshot(reads: Reads, topic: Topic) -> tuple[list[Row], Cursor]:
    """The jobs of a topic as they are now, and the cursor from which to follow them.

    Both come from one transaction. Of a dataset its newest jobs come, of a department its active
    ones, at most ``SNAPSHOT_JOBS``, the oldest first.
    """
    mark = await high_water(reads, topic)
    if topic.column == "scope":
        jobs = (await reads.page(Job, Page(SNAPSHOT_JOBS, conditions=ACTIVE))).rows
    else:
        jobs = await reads.rows(_jobs(topic.column), key=topic.key, size=SNAPSHOT_JOBS)
    return jobs[::-1], Cursor(mark, datetime.now(UTC))


async def events_after(
    reads: Reads, topic: Topic, event_id: int, until: int = LAST_ID
) -> list[Row]:
    """The next events of a topic after one id and up to another, at most ``BATCH``, as committed.

    Their order is that of their commits, so none will come before the last of them any more.
    """
    # The end is no condition of the statement: the planner takes what lies between two unknown ids
    # for little, and sorts all of it.
    rows = await reads.rows(_events(topic.column), key=topic.key, after=event_id, size=BATCH)
    return [row for row in rows if row.id <= until]


async def is_over(reads: Reads, topic: Topic) -> bool:
    """Whether nothing more will happen: the one job that is followed has ended.

    Raises `NotFound` when what is followed can't be seen.
    """
    if topic.key is None:
        return False
    row = (await reads.by_keys(topic.model, [topic.key])).get(topic.key)
    if row is None:
        message = "There is nothing with this id to follow."
        raise NotFound(message)
    return topic.column == "job_id" and row.status in FINAL


async def touched(reads: Reads, position: int) -> list[Row]:
    """Whose events came after ``position``, at most ``TOUCHED``, in the departments of the scope.

    Its permissions don't matter here, because what an event tells is not among it.
    """
    return await reads.rows(_touched(), after=position, size=TOUCHED)


async def end_of_log(reads: Reads) -> int:
    """The id of the last event in the departments of the scope, whatever its permissions."""
    mark = await reads.row(_end())
    return (mark["id"] if mark is not None else None) or 0


async def high_water(reads: Reads, topic: Topic) -> int:
    """The id of the last event of a topic, 0 where there is none."""
    mark = await reads.row(_high_water(topic.column), key=topic.key)
    return (mark["id"] if mark is not None else None) or 0


def cursor_of(event: Row) -> Cursor:
    """The cursor of an event."""
    return Cursor(event.id, event.created_at)


def _keyed(model: type[Base], column: str) -> ColumnElement[bool]:
    name = "id" if model is Job and column == "job_id" else column
    return model.__table__.c[name] == bindparam("key", type_=Uuid())


@kept
def _high_water(column: str) -> tuple[Select[Any], None]:
    if column != "scope":
        last = select(func.max(JobEvent.id).label("id"))
        return last.where(_keyed(JobEvent, column), visible(JobEvent)), None
    departments = each_department()
    own = _of(departments, select(JobEvent.id)).order_by(JobEvent.id.desc()).limit(1).lateral("e")
    return select(func.max(own.c.id).label("id")).select_from(departments.join(own, true())), None


@kept
def _events(column: str) -> tuple[Select[Any], type[JobEvent]]:
    limit = bindparam("size", type_=Integer())
    chosen = (
        select(*columns(JobEvent))
        .where(JobEvent.id > bindparam("after", type_=BigInteger()))
        .order_by(JobEvent.id)
        .limit(limit)
    )
    if column != "scope":
        return chosen.where(_keyed(JobEvent, column), visible(JobEvent)), JobEvent
    # Each department's events come from its own index: whoever follows a quiet one would else go
    # through the events of all others, again with each look.
    departments = each_department()
    own = _of(departments, chosen).lateral("e")
    merged = select(*own.c).select_from(departments.join(own, true()))
    return merged.order_by(own.c.id).limit(limit), JobEvent


TOUCHING = (JobEvent.id, JobEvent.job_id, JobEvent.dataset_id, JobEvent.department_id)


@kept
def _end() -> tuple[Select[Any], None]:
    departments = each_department()
    mine = JobEvent.department_id == departments.c.department
    own = select(JobEvent.id).where(mine).order_by(JobEvent.id.desc()).limit(1).lateral("e")
    return select(func.max(own.c.id).label("id")).select_from(departments.join(own, true())), None


@kept
def _touched() -> tuple[Select[Any], None]:
    # As above, each department's events come from its own index.
    limit = bindparam("size", type_=Integer())
    departments = each_department()
    own = (
        select(*TOUCHING)
        .where(
            JobEvent.department_id == departments.c.department,
            JobEvent.id > bindparam("after", type_=BigInteger()),
        )
        .order_by(JobEvent.id)
        .limit(limit)
        .lateral("e")
    )
    merged = select(*own.c).select_from(departments.join(own, true()))
    return merged.order_by(own.c.id).limit(limit), None


def _of(departments: Subquery, events: Select[Any]) -> Select[Any]:
    mine = JobEvent.department_id == departments.c.department
    return events.where(mine, permitted(JobEvent))


@kept
def _jobs(column: str) -> tuple[Select[Any], type[Job]]:
    return (
        select(*columns(Job))
        .where(_keyed(Job, column), visible(Job))
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(bindparam("size", type_=Integer())),
        Job,
    )
