"""Processes below this one: how much memory they hold, and how they are ended."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

MEMORY_SECONDS = 0.1
"""How often the memory of processes is looked at."""

GONE_SECONDS = 5.0
"""How long killed processes may take to be gone."""


async def exceeds(pid: int, memory_bytes: int) -> None:
    """Returns when a process and all below it together hold more memory than allowed."""
    # The kernel tells nobody how much memory a process has, it has to be asked.
    while sum(map(_resident, family_of(pid))) <= memory_bytes:  # noqa: ASYNC110 - as said above
        await asyncio.sleep(MEMORY_SECONDS)


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
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] not in "ZX"
