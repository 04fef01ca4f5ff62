"""One worker process: a runner that arq rings, a sweeper, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
from arq import create_pool
from arq.worker import Worker, func
from redis.exceptions import RedisError

from domain.database import Database
from domain.storage import Storage
from workers.runner import Runner
from workers.runs import Parts
from workers.sandbox import Limits, Sandbox
from workers.sweeper import Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arq.connections import RedisSettings

    from domain.bell import Bell
    from domain.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.03
"""How often arq looks at its queue; half of it is the median delay of a ring."""

GRACE_SECONDS = 20.0
"""How long a stopping worker lets its jobs go on before it hands them back."""


async def serve(settings: Settings, bell: Bell, redis: RedisSettings, directory: Path) -> None:
    """Works until SIGTERM or SIGINT; ``directory`` is where job directories are made.

    Raises whatever ends a part of it that should have gone on: a supervisor starts it anew.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # What a stopped worker holds in a transaction becomes free with its lease.
    database = Database(settings, idle_seconds=settings.lease_seconds)
    storage = Storage(settings)
    await database.open()
    await storage.open()
    parts = Parts(settings, database, storage, bell, Sandbox(_limits(settings), directory))
    runner = Runner(parts)
    tasks = [
        asyncio.create_task(runner.look_again_and_again()),
        asyncio.create_task(Sweeper(parts).sweep_again_and_again()),
        asyncio.create_task(_answer_rings(runner, redis)),
    ]
    told = asyncio.create_task(stopping.wait())
    log.info("worker %s is ready", runner.name)
    try:
        await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
        log.info("worker %s stops", runner.name)
        await runner.stop(GRACE_SECONDS)
    finally:
        for task in (told, *tasks):
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await storage.close()
        await database.close()
    faults = [fault for fault in ended if not isinstance(fault, asyncio.CancelledError)]
    if faults:
        message = "a part of the worker ended by itself"
        raise RuntimeError(message) from faults[0]


async def _answer_rings(runner: Runner, redis: RedisSettings) -> None:
    """Has arq wake the runner at each ring, through as many losses of Redis as there are."""

    async def work(_context: dict[str, Any]) -> None:
        runner.wake()

    while True:
        try:
            await _answer_until_lost(work, redis)
        except Exception as error:  # noqa: BLE001 (whatever ails the bell, work goes on without it)
            log.warning("Redis is away, looking every second instead: %s", error)
        await asyncio.sleep(1)


async def _answer_until_lost(work: Callable[..., Any], redis: RedisSettings) -> None:
    pool = await create_pool(redis)
    try:
        worker = Worker(
            functions=[func(cast("Any", work), name="work")],
            redis_pool=pool,
            handle_signals=False,
            keep_result=0,
            max_jobs=10,
            max_tries=1,
            poll_delay=POLL_SECONDS,
            # Of a message that came to nothing arq writes an exception, which has no form in JSON.
            job_serializer=partial(orjson.dumps, default=str),
            job_deserializer=orjson.loads,
        )
        try:
            await worker.async_run()
        finally:
            # What arq itself was running is cancelled with it; nothing of that is a job.
            worker.handle_sig(signal.SIGUSR1)
            left = [task for task in (worker.main_task, *worker.tasks.values()) if task]
            await asyncio.gather(*left, return_exceptions=True)
    finally:
        with contextlib.suppress(RedisError, OSError):
            await pool.aclose(close_connection_pool=True)


def _limits(settings: Settings) -> Limits:
    return Limits(
        memory_bytes=settings.child_memory_bytes,
        cpu_seconds=settings.child_seconds * 2,
        wall_seconds=settings.child_seconds,
        file_bytes=settings.child_disk_bytes,
        processes=64,
    )
