"""A child ends when nobody is left to hear it, whichever way that shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.workers.watching import gone
from workers.bubblewrap import PROJECT
from workers.processes import family_of
from workers.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "tests.workers.hostile_tasks"

PARENT = """
import asyncio, sys
from pathlib import Path
from workers.sandbox import Limits, Sandbox

async def main():
    sandbox = Sandbox(Limits(1 << 29, 60, 60, 1 << 26, 32), Path(sys.argv[1]), tasks=sys.argv[2])
    if sys.argv[3] == "alone":
        sandbox._bubblewrap = False
    async with sandbox.directory() as directory:
        (directory / "input").write_bytes(b"a")
        await sandbox.run("sleep", directory, {"input": "input", "file_type": "csv"},
            on_progress=lambda *_: print("ready", flush=True), stop=asyncio.Event())

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["bubblewrap", "alone"])
def test_a_killed_parent_takes_its_child_with_it(tmp_path: Path, mode: str) -> None:
    if mode == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    root = tmp_path / "jobs"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(root), HOSTILE, mode],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        family = family_of(parent.pid)[1:]
        assert family
        parent.kill()
        parent.wait()
        assert gone(family)
    assert len(list(root.iterdir())) == 1
    Sandbox(Limits(1 << 29, 60, 60, 1 << 26, 32), root)
    assert list(root.iterdir()) == [], "what a killed parent left is swept up by the next"


START_CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "workers.child"], stdin=int(sys.argv[1]),
    pass_fds=())
print(child.pid, flush=True)
child.wait()
"""


def order(parent: int) -> bytes:
    """Gives the line that starts the task which only waits."""
    document = {
        "task": "sleep",
        "tasks": HOSTILE,
        "request": {"input": "input", "file_type": "csv"},
        "parent": parent,
        "bubblewrap": False,
        "readable": ["/"],
        "memory_bytes": 1 << 29,
        "cpu_seconds": 60,
        "file_bytes": 1 << 20,
        "processes": None,
    }
    return json.dumps(document).encode() + b"\n"


def test_the_kernel_ends_a_child_whose_control_pipe_stays_open() -> None:
    """Here this process holds the pipe, so that only the death of the parent is left to notice."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", START_CHILD, str(reading)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        pass_fds=(reading,),
    ) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        os.write(writing, order(parent.pid))
        assert b"Sleeping" in parent.stdout.readline()
        parent.kill()
        parent.wait()
        assert gone([child])
    os.close(reading)
    os.close(writing)


def test_a_child_ends_with_its_control_pipe() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "workers.child"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(order(os.getpid()))
        child.stdin.flush()
        assert b"Sleeping" in child.stdout.readline()
        child.stdin.close()
        assert gone([child.pid])
    assert child.returncode == 1
