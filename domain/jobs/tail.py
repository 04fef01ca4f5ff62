"""The end of the event log, watched once for a whole process however many follow it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from domain.database import Hold
from domain.errors import Unavailable
from domain.jobs.reads import TOUCHED, end_of_log, touched
from domain.reads import Reads
from domain.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from domain.bell import Bell
    from domain.database import Database
    from domain.jobs.reads import Topic

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often the tail looks for itself, in case no bell was heard."""

GATHER_SECONDS = 0.01
"""How long it waits for further events after a bell: a burst is looked at once."""


class Tail:
    """Wakes those whose topic has new events; what is in them each one reads in its own scope.

    One look is one statement in the departments of all who listen. It tells whose events there
    are, nothing else, and never leaves the process.
    """

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._listeners: dict[Callable[[], None], tuple[Topic, frozenset[UUID]]] = {}
        self._new: set[Callable[[], None]] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def listening(
        self, topic: Topic, departments: frozenset[UUID], wake: Callable[[], None]
    ) -> Iterator[None]:
        """Calls ``wake`` after events of ``topic`` in ``departments`` were committed.

        Whatever is committed after the context was entered wakes; some calls may be for nothing.
        """
        self._listeners[wake] = (topic, departments)
        self._new.add(wake)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            del self._listeners[wake]
            self._new.discard(wake)
            if not self._listeners:
                self._task.cancel()
                self._task = None

    async def _watch(self) -> None:
        position: int | None = None
        while True:
            # Whoever rings during the look is heard too.
            heard = asyncio.create_task(self._bell.heard(LOOK_SECONDS))
            try:
                position, more = await self._look(position)
                if more:
                    continue
                await heard
                await asyncio.sleep(GATHER_SECONDS)
            except Unavailable:
                await asyncio.sleep(LOOK_SECONDS)
            except Exception:
                log.exception("the end of the log can't be seen")
                await asyncio.sleep(LOOK_SECONDS)
            finally:
                heard.cancel()

    async def _look(self, position: int | None) -> tuple[int, bool]:
        """Wakes who is touched by what came after a place; gives the next place and if more is."""
        new, self._new = self._new, set()
        try:
            departments: frozenset[UUID] = frozenset().union(
                *(each for _, each in self._listeners.values())
            )
            reads = Reads(self._database, Scope(departments, frozenset()), Hold())
            try:
                if position is None:
                    position = await end_of_log(reads)
                rows = await touched(reads, position)
            finally:
                await reads.close()
        except BaseException:
            self._new |= new & self._listeners.keys()
            raise
        # The place may have moved past what the newcomers wait for, who were not asked for yet.
        woken = new | self._new
        jobs = {row.job_id for row in rows}
        datasets = {row.dataset_id for row in rows}
        touched_departments = {row.department_id for row in rows}
        for wake, (topic, seen) in tuple(self._listeners.items()):
            if topic.column == "scope":
                is_touched = not seen.isdisjoint(touched_departments)
            else:
                is_touched = topic.key in (jobs if topic.column == "job_id" else datasets)
            if wake in woken or is_touched:
                wake()
        if rows:
            position = rows[-1].id
        return position, len(rows) == TOUCHED
