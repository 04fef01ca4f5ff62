"""Subscriptions that are followed in the test's own process, on the real database."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson

from domain.jobs.models import EventKind
from domain.storage import Storage
from domain.work import running
from graph.context import Context, Parts
from graph.schema import schema
from graph.transport.feeds import Following
from graph.transport.gateway import Gateway
from graph.transport.operation import Credentials, OperationRequest, OperationResult, RequestInfo
from tests.graph.leaks.serving import OwnBell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.database import Database, Row
    from domain.identity.tokens import Tokens
    from domain.settings import Settings
    from graph.transport.live import Entry
    from tests.factories.rows import Person

DEPARTMENT = """
subscription ($department: String, $after: String) {
  jobEvents(department: $department, after: $after) { cursor kind status progress message }
}
"""
JOB = """
subscription ($job: ID, $after: String) {
  jobEvents(jobId: $job, after: $after) { cursor kind status progress message job { status } }
}
"""


class Follower:
    """One subscriber and what it got; ``reads`` unset is one that reads nothing."""

    def __init__(self, room: int = 1000) -> None:
        self.events: list[dict[str, Any]] = []
        self.refusal: OperationResult | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.task: asyncio.Task[None] | None = None
        self._room = room
        self._waiting = 0

    def offer(self, entry: Entry) -> bool:
        if not self.reads.is_set():
            return False
        self._take(entry)
        return True

    async def put(self, entry: Entry) -> None:
        await self.reads.wait()
        await asyncio.sleep(0)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        answer = orjson.loads(entry.payload)
        assert "errors" not in answer, answer
        (event,) = answer["data"].values()
        self.events.append(event)

    @property
    def code(self) -> str | None:
        return str(self.refusal.refusal) if self.refusal else None

    @property
    def cursor(self) -> str | None:
        return self.events[-1]["cursor"] if self.events else None

    @property
    def messages(self) -> list[str]:
        """The messages of the log's own events."""
        return [event["message"] for event in self.events if event["kind"] != "SNAPSHOT"]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.messages) < count:  # noqa: ASYNC110 (nothing signals it)
                await asyncio.sleep(0.005)

    async def ended(self) -> None:
        assert self.task is not None
        await asyncio.wait_for(asyncio.shield(self.task), 20)

    async def leave(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])


class Process:
    """What one API process has, without its transports."""

    def __init__(self, settings: Settings, database: Database, tokens: Tokens) -> None:
        self.bell = OwnBell()
        self.parts = Parts(settings, database, Storage(settings), self.bell, tokens)
        self.gateway = Gateway(
            schema()._schema, lambda credentials, info: Context(self.parts, credentials, info)
        )

    def follow(
        self,
        person: Person,
        query: str,
        variables: dict[str, Any],
        follower: Follower | None = None,
        narrow: str | None = None,
    ) -> Follower:
        """Begins to follow."""
        follower = follower or Follower()
        token, _ = self.parts.tokens.access(person.id, person.session_id)
        credentials = Credentials(f"Bearer {token}", narrow)
        follower.task = asyncio.create_task(
            self._follow(follower, OperationRequest(query, None, variables), credentials)
        )
        return follower

    async def _follow(
        self, follower: Follower, request: OperationRequest, credentials: Credentials
    ) -> None:
        info = RequestInfo("a-request", None, None, "websocket")
        async with aclosing(self.gateway.subscribe(request, credentials, info)) as results:
            async for result in results:
                if isinstance(result, Following):
                    follower.refusal = await result.into(follower)
                else:
                    follower.refusal = result

    async def attached(self, count: int) -> None:
        """Waits until so many subscribers are in the shared stream."""
        async with asyncio.timeout(20):
            while sum(map(len, self.gateway.feeds._feeds.values())) != count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def say(
        self,
        job: Row,
        *messages: str,
        kind: EventKind = EventKind.MESSAGE,
        status: str | None = None,
    ) -> None:
        """Commits events of a job, and rings."""
        async with running(
            self.parts.database, job.department_id, job.created_by, self.bell
        ) as work:
            for message in messages:
                work.event(job, kind, status=status, message=message)


@asynccontextmanager
async def left(*followers: Follower) -> AsyncIterator[None]:
    """Has all of them leave in the end."""
    try:
        yield
    finally:
        for follower in followers:
            await follower.leave()
