"""A worker of arq alone, which `bench jobs` compares with: it notes when it runs, and no more."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from arq.connections import RedisSettings
from arq.worker import Worker, func

HEARD = "aetherflow:bench:heard"
NOTHING_QUEUE = "aetherflow:bench:nothing"

POLL_SECONDS = 0.03
"""How often it looks when it is to get much done: as often as our own workers' does."""


def queue_of(poll: float) -> str:
    """Gives the name of the queue that the worker with this pause looks at."""
    return f"aetherflow:bench:{poll}"


async def note(context: dict[str, Any]) -> None:
    """Leaves the moment at which it runs, in seconds since 1970."""
    await context["redis"].rpush(HEARD, repr(time.time()))


def main(url: str, poll: float) -> None:
    """Works until it is terminated."""
    Worker(
        functions=[func(f"{__spec__.name}.note", name="note")],
        redis_settings=RedisSettings.from_dsn(url),
        keep_result=0,
        queue_name=queue_of(poll),
        poll_delay=poll,
    ).run()


async def nothing(context: dict[str, Any]) -> None:
    """Notes that it ran."""
    context["ran"].append(time.perf_counter())


async def burst(url: str, at_once: int) -> None:
    """Runs all calls that wait, and prints how many there were and how many seconds they took."""
    ran: list[float] = []
    worker = Worker(
        functions=[func(f"{__spec__.name}.nothing", name="nothing")],
        redis_settings=RedisSettings.from_dsn(url),
        keep_result=0,
        queue_name=NOTHING_QUEUE,
        poll_delay=POLL_SECONDS,
        max_jobs=at_once,
        burst=True,
        ctx={"ran": ran},
    )
    await worker.async_run()
    await worker.close()
    print(len(ran), ran[-1] - ran[0])


if __name__ == "__main__":
    if sys.argv[2] == "burst":
        asyncio.run(burst(sys.argv[1], int(sys.argv[3])))
    else:
        main(sys.argv[1], float(sys.argv[2]))
