"""A worker of arq alone, which `bench jobs` compares with: it notes when it runs, and no more."""

from __future__ import annotations

import sys
import time
from typing import Any

from arq.connections import RedisSettings
from arq.worker import Worker, func

HEARD = "aetherflow:bench:heard"


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


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
