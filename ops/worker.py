"""One worker process."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ops.bell import RedisBell, redis_settings
from ops.configuration import require_database
from ops.failure import CommandFailed
from ops.logs import log_to_stderr
from ops.metrics import metrics_served
from workers.main import serve

if TYPE_CHECKING:
    from domain.settings import Settings


def run_worker(settings: Settings) -> None:
    """Works until SIGINT or SIGTERM, which let running jobs end or hand them back.

    Raises `CommandFailed` when the database does not answer or is unfit.
    """
    log_to_stderr()
    asyncio.run(_serve(settings, job_root(Path(tempfile.gettempdir()))))


def job_root(parent: Path) -> Path:
    """Gives the folder below ``parent`` that all workers of this account make job directories in.

    It is always the same one, so that a worker finds and removes what a killed one left behind.
    Raises `CommandFailed` where another account may look into it or has taken its name.
    """
    root = parent / f"aetherflow-jobs-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.getuid():
        message = f"{root} is not this account's alone. Remove it, or set TMPDIR to another place."
        raise CommandFailed(message)
    return root


async def _serve(settings: Settings, directory: Path) -> None:
    await require_database(settings)
    bell = RedisBell(settings)
    try:
        async with metrics_served(settings):
            await serve(settings, bell, redis_settings(settings), directory)
    finally:
        await bell.close()
