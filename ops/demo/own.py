"""An `aetherflow up` of the demo's own, where none runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
LAST_LINE = "Ctrl-C stops everything."


@asynccontextmanager
async def own_up(data_dir: Path, host: str, port: int) -> AsyncIterator[list[str]]:
    """Starts all that `up` starts, gives the lines that it printed, and ends it with the context.

    ``data_dir`` is an absolute path. Raises `CommandFailed` when it can't start; why stands on
    standard error by then.
    """
    words = ["up", "--data-dir", str(data_dir), "--host", host, "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops",
        *words,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None  # noqa: S101 (it was asked for)
    try:
        lines: list[str] = []
        while not lines or lines[-1] != LAST_LINE:
            line = await process.stdout.readline()
            if not line:
                message = "`up` could not start."
                raise CommandFailed(message)
            lines.append(line.decode().rstrip("\n"))
        yield lines
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        # Whatever it still prints is read, or it could wait for ever for somebody to read it.
        await asyncio.shield(process.communicate())
