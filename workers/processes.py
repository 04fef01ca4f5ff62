"""Processes below this one: how much memory they hold, and how they are ended."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

MEMORY_SECONDS = 0.1
"""How often the memory of processes is looked at."""

STILL_SECONDS = 10.0
"""How long a process may be stopped by a signal before it is given up: nobody may continue it."""

GONE_SECONDS = 5.0
"""How long killed processes may take to be gone."""


async def exceeds(pid: int, memory_bytes: int) -> None:
    """Returns when a process and all below it together hold more memory than allowed."""
    # The kernel tells nobody how much memory a process has, it has to be asked.
    while sum(map(_resident, family_of(pid))) <= memory_bytes:  # noqa: ASYNC110 - as said above
        await asyncio.sleep(MEMORY_SECONDS)


async def stands_still(pid: int) -> None:
    """Returns when a process, or one below it, has been stopped by a signal for too long."""
    looks = 0
    # The parent may have been stopped together with it, so it is looks that count and not time.
    while looks < STILL_SECONDS:
        await asyncio.sleep(1)
        looks = looks + 1 if any(_state(each) == "T" for each in family_of(pid)) else 0


def family_of(pid: int) -> list[int]:
    """Gives a process and all below it, parents before children."""
    family, at = [pid], 0
    while at < len(family):
        with suppress(OSError):
            below = Path(f"/proc/{family[at]}/task/{family[at]}/children").read_text("ascii")
            family += map(int, below.split())
        at += 1
    return family


def _resident(pid: int) -> int:
    """Gives the bytes that a process holds itself: mapped files can be dropped at any time."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
        return sum(
            int(line.split()[1]) * 1024
            for line in lines
            if line.startswith(("RssAnon:", "RssShmem:"))
        )
    return 0


async def end(child: asyncio.subprocess.Process) -> None:
    """Kills a child and all that is below it, and waits until they are gone."""
    family = family_of(child.pid)
    # The child leads a process group, so that nothing it started can be left behind.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
    # Bubblewrap's processes end with the first of them, but not in the same moment.
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GONE_SECONDS
    while any(map(_lives, family)) and loop.time() < deadline:  # noqa: ASYNC110 - none tells us
        await asyncio.sleep(GONE_SECONDS / 500)


def _lives(pid: int) -> bool:
    return _state(pid) not in "ZX"


def _state(pid: int) -> str:
    """Gives the letter of a process's state (proc_pid_stat(5)): X for one that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return "X"
    return stat.rpartition(")")[2].split()[0]
