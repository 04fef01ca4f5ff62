"""Work that has to come to its end, whoever stops waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


async def to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Runs ``work`` to its end even if the waiting task is cancelled meanwhile.

    A cancellation is not lost: it is raised after the work has ended. The work's own exception is
    raised unless a cancellation goes before it, and is logged then.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return task.result()
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.error("work that outlived its waiter failed", exc_info=fault)
    raise cancellation


async def stopped(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits until each has ended; what they raise is logged."""
    for task in tasks:
        # A second cancellation would interrupt the cleaning up that the first one began.
        if not task.cancelling():
            task.cancel()
    if tasks:
        await to_completion(_ended(tasks))


async def _ended(tasks: tuple[asyncio.Task[Any], ...]) -> None:
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("a task failed while it was stopped", exc_info=fault)
