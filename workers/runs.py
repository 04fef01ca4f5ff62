"""One run of one job: its lease is kept, its progress told, its end written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from domain.errors import DomainError, Unavailable
from domain.jobs import protocol
from domain.jobs.models import EventKind
from domain.jobs.protocol import Failure, Lease, LeaseLost, Standing
from domain.scope import Identity
from domain.work import working
from workers.sandbox import ChildFailed, ChildStopped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from pathlib import Path

    from domain.bell import Bell
    from domain.database import Database
    from domain.settings import Settings
    from domain.storage import Storage
    from domain.work import Work
    from workers.sandbox import Sandbox

log = logging.getLogger(__name__)

TELL_SECONDS = 1.0
"""The least time between two events of progress of one job."""


class JobFailed(Exception):
    """Ends a run with a stable code and a sentence that says what to do."""

    def __init__(
        self, code: str, message: str, *, retryable: bool = False, blames_file: bool = False
    ) -> None:
        super().__init__(message)
        self.failure = Failure(code, message, retryable=retryable, blames_file=blames_file)


@dataclass(frozen=True, slots=True)
class Parts:
    """What one worker process shares among its runs."""

    settings: Settings
    database: Database
    storage: Storage
    bell: Bell
    sandbox: Sandbox


class Run:
    """A claimed job while this worker has it."""

    def __init__(self, parts: Parts, lease: Lease) -> None:
        self.parts = parts
        self.lease = lease
        self.stop = asyncio.Event()
        """Set when the run must end: cancelled, lease lost, or the worker stops."""
        self._standing = Standing.HELD
        self._handing_back = False
        self._progress = 0
        self._step: str | None = None
        self._told: tuple[int, str | None] = (0, None)
        self._news = asyncio.Event()

    def report(self, progress: int, step: str) -> None:
        """Notes how far the run is, in percent; it goes out with the next renewal or sooner."""
        self._progress = max(self._progress, min(progress, 99))
        self._step = step
        self._news.set()

    def share(self, low: int, high: int, step: str) -> Callable[[int, int], None]:
        """Makes what reports a part done of a total as the percents from ``low`` to ``high``."""

        def done(part: int, total: int) -> None:
            self.report(low + (high - low) * part // max(total, 1), step)

        return done

    def hand_back(self) -> None:
        """Has the run end and its job wait for another worker."""
        self._handing_back = True
        self.stop.set()

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Work]:
        """Opens the Work that publishes, as the job's creator inside the job's department."""
        lease = self.lease
        creator = Identity(lease.created_by, None, str(lease.department_id))
        async with working(self.parts.database, creator, self.parts.bell) as work:
            yield work

    async def in_child(
        self, task: str, directory: Path, request: Mapping[str, object], low: int, high: int
    ) -> dict[str, Any]:
        """Runs a task in the sandbox; its progress is that from ``low`` to ``high`` percent."""
        return await self.parts.sandbox.run(
            task,
            directory,
            request,
            on_progress=lambda percent, step: self.report(
                low + percent * (high - low) // 100, step
            ),
            stop=self.stop,
        )

    async def until_stopped(self, awaitable: Awaitable[Any]) -> Any:
        """Awaits something unless the run must end first. Raises `ChildStopped` then."""
        task = asyncio.ensure_future(awaitable)
        stop = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ChildStopped
            return task.result()
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def execute(self, handler: Callable[[Run], Awaitable[None]]) -> None:
        """Runs the job to an end and writes that end, whatever it is."""
        renewing = asyncio.create_task(self._renew())
        try:
            await self._settle(await self._outcome(handler))
        except LeaseLost:
            await self._after_loss()
        except (Unavailable, asyncpg.PostgresError):
            # Nothing can be written now; the lease runs out and the sweeper takes the job back.
            log.warning("job %s: the database is away, its lease will run out", self.lease.id)
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _outcome(self, handler: Callable[[Run], Awaitable[None]]) -> Failure | None:
        try:
            await handler(self)
        except LeaseLost:
            raise
        except ChildStopped:
            raise LeaseLost(str(self.lease.id)) from None
        except JobFailed as error:
            return error.failure
        except ChildFailed as error:
            return Failure(
                error.code,
                error.message,
                error.traceback,
                retryable=error.retryable,
                blames_file=error.blames_file,
            )
        except Unavailable as error:
            return Failure(error.code, error.message, retryable=True)
        except DomainError as error:
            return Failure(error.code, error.message)
        except Exception as error:
            log.exception("job %s failed unexpectedly", self.lease.id)
            text = "".join(traceback.format_exception(error))
            return Failure("INTERNAL", "Something went wrong on our side.", text)
        return None

    async def _settle(self, failure: Failure | None) -> None:
        if failure is None:
            return
        # A database that was away is often back before the lease has run out.
        deadline = time.monotonic() + self.parts.settings.lease_seconds
        while True:
            try:
                await protocol.fail(self.parts.database, self.lease, failure, self.parts.bell)
            except (Unavailable, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(TELL_SECONDS)
            else:
                return

    async def _after_loss(self) -> None:
        """The run may not publish: a cancel was asked, the worker stops, or the lease is gone."""
        database, bell = self.parts.database, self.parts.bell
        with contextlib.suppress(LeaseLost, Unavailable, asyncpg.PostgresError):
            if self._handing_back:
                await protocol.hand_back(database, self.lease, bell)
            elif await self._keep(None) is Standing.CANCEL:
                await protocol.cancel(database, self.lease, bell)

    async def _renew(self) -> None:
        settings = self.parts.settings
        deadline = time.monotonic() + settings.lease_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.lease_renew_seconds):
                    await self._news.wait()
            self._news.clear()
            try:
                standing = await self._keep(self._worth_telling())
            except (Unavailable, asyncpg.PostgresError) as error:
                log.info("job %s: the lease could not be renewed: %s", self.lease.id, error)
                if time.monotonic() > deadline:
                    standing = Standing.LOST
                else:
                    await asyncio.sleep(TELL_SECONDS)
                    continue
            if standing is not Standing.HELD:
                self.stop.set()
                return
            deadline = time.monotonic() + settings.lease_seconds
            await asyncio.sleep(TELL_SECONDS)

    def _worth_telling(self) -> EventKind | None:
        told_progress, told_step = self._told
        if self._step != told_step:
            self._told = (self._progress, self._step)
            return EventKind.STEP
        if self._progress > told_progress:
            self._told = (self._progress, self._step)
            return EventKind.PROGRESS
        return None

    async def _keep(self, tell: EventKind | None) -> Standing:
        return await protocol.renew(
            self.parts.database,
            self.lease,
            self.parts.settings.lease_seconds,
            self.parts.bell,
            progress=self._progress,
            step=self._step,
            tell=tell,
        )
