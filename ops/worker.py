"""One worker process."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ops.bell import RedisBell, redis_settings
from ops.configuration import require_database
from ops.logs import log_to_stderr
from workers.main import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.settings import Settings

LOCK = ".lock"


def run_worker(settings: Settings) -> None:
    """Works until SIGINT or SIGTERM, which let running jobs end or hand them back.

    Raises `CommandFailed` when the database does not answer or is unfit.
    """
    log_to_stderr()
    with job_directories(Path(tempfile.gettempdir())) as directory:
        asyncio.run(_serve(settings, directory))


@contextlib.contextmanager
def job_directories(parent: Path) -> Iterator[Path]:
    """Gives this process a directory below ``parent``, and removes those of killed workers.

    Each worker holds a lock inside its own, which ends with its process whatever becomes of it.
    Raises PermissionError where another account has taken the name that ours would have.
    """
    home = parent / f"aetherflow-jobs-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    found = home.lstat()
    if found.st_uid != os.getuid() or home.is_symlink() or found.st_mode & 0o077:
        message = f"{home} is not this account's alone. Remove it, or set TMPDIR to another place."
        raise PermissionError(message)
    turn = os.open(home, os.O_RDONLY)
    try:
        # One worker at a time, so that a directory whose lock is yet to come is not taken for one
        # that was left behind.
        fcntl.flock(turn, fcntl.LOCK_EX)
        for left in home.iterdir():
            _remove_if_left(left)
        own = Path(tempfile.mkdtemp(dir=home))
        lock = os.open(own / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        os.close(turn)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)


def _remove_if_left(directory: Path) -> None:
    try:
        lock = os.open(directory / LOCK, os.O_RDWR)
    except OSError:
        shutil.rmtree(directory, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        os.close(lock)


async def _serve(settings: Settings, directory: Path) -> None:
    await require_database(settings)
    bell = RedisBell(settings)
    try:
        await serve(settings, bell, redis_settings(settings), directory)
    finally:
        await bell.close()
