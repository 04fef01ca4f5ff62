"""The runner of one worker process: looks for jobs, runs as many as it may, stops gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING

import asyncpg

from domain.errors import Unavailable
from domain.jobs import protocol
from domain.jobs.models import JobType
from workers.etl import run_etl
from workers.ml_inference import run_ml_inference
from workers.runs import Run
from workers.validation import run_validation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from workers.runs import Parts

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often a worker looks for itself, in case no bell was heard."""

HANDLERS: Mapping[JobType, Callable[[Run], Awaitable[None]]] = {
    JobType.VALIDATION: run_validation,
    JobType.ETL: run_etl,
    JobType.ML_INFERENCE: run_ml_inference,
}


class Runner:
    """Claims and runs jobs, at most ``worker_concurrency`` at a time."""

    def __init__(
        self, parts: Parts, handlers: Mapping[JobType, Callable[[Run], Awaitable[None]]] = HANDLERS
    ) -> None:
        self._parts = parts
        self._handlers = handlers
        self._running: dict[asyncio.Task[None], Run] = {}
        self._looking = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._stopping = False
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    async def look(self) -> None:
        """Claims jobs until none waits or all places are taken; the runs go on by themselves."""
        async with self._looking:
            while not self._stopping and (free := self._places - len(self._running)) > 0:
                leases = await protocol.claim(
                    self._parts.database,
                    self.name,
                    self._parts.settings.lease_seconds,
                    self._handlers,
                    self._parts.bell,
                    limit=free,
                )
                for lease in leases:
                    run = Run(self._parts, lease)
                    task = asyncio.create_task(run.execute(self._handlers[lease.job_type]))
                    self._running[task] = run
                    task.add_done_callback(self._ended)
                if len(leases) < free:
                    return

    def wake(self) -> None:
        """Has the worker look now: somebody rang."""
        self._wanted.set()

    async def look_again_and_again(self) -> None:
        """Looks when woken, at each end of a run, and every second anyway, until cancelled."""
        while True:
            self._wanted.clear()
            try:
                await self.look()
            except (Unavailable, asyncpg.PostgresError) as error:
                log.warning("no job could be claimed, looking again in a second: %s", error)
                await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wanted.wait()

    async def stop(self, grace_seconds: float) -> None:
        """Claims no more, waits for what runs, and hands back what is not done in time."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            # What is being claimed at this moment is waited for with the rest.
            async with asyncio.timeout(grace_seconds), self._looking:
                pass
        if self._running:
            await asyncio.wait(self._running, timeout=grace_seconds)
        for run in self._running.values():
            run.hand_back()
        if self._running:
            # Once its lease has run out, a run may write nothing any more.
            await asyncio.wait(self._running, timeout=self._parts.settings.lease_seconds)

    @property
    def _places(self) -> int:
        return self._parts.settings.worker_concurrency

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._wanted.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("a run ended without its end being written", exc_info=task.exception())
