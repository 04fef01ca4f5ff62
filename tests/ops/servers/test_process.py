from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from ops.servers.errors import ServerFailed
from ops.servers.process import ChildProcess
from tests.ops.conftest import alive

if TYPE_CHECKING:
    from pathlib import Path

    from ops.servers.folder import DataFolder

ENV = {"PATH": os.defpath}


async def ready() -> bool:
    return True


async def never() -> bool:
    return False


async def test_gives_exactly_the_named_variables_and_the_input(folder: DataFolder) -> None:
    child = ChildProcess(folder, "one")
    await child.start(
        ["sh", "-c", "cat; env"], cwd=folder.path, env={"WORD": "said"} | ENV, stdin=b"read\n"
    )
    await child.ended()
    told = child.log.read_text()
    assert told.startswith("read\n")
    assert "WORD=said" in told
    assert "HOME" not in told
    assert child.exit_code == 0


async def test_tells_the_end_of_the_log_when_it_ends_at_its_start(folder: DataFolder) -> None:
    folder.log("one").write_text("of another day\n")
    child = ChildProcess(folder, "one")
    await child.start(["sh", "-c", "echo what went wrong; exit 3"], cwd=folder.path, env=ENV)
    with pytest.raises(
        ServerFailed, match=r"(?s)one ended at its start.*what went wrong"
    ) as caught:
        await child.ready(never)
    assert "of another day" not in str(caught.value)


async def test_says_when_a_program_is_missing(folder: DataFolder) -> None:
    with pytest.raises(ServerFailed, match="one can't be started"):
        await ChildProcess(folder, "one").start(["/no/such/program"], cwd=folder.path, env=ENV)


async def test_says_when_it_does_not_answer(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.servers.process.READY_SECONDS", 0.1)
    child = ChildProcess(folder, "one")
    await child.start(["sleep", "60"], cwd=folder.path, env=ENV)
    with pytest.raises(ServerFailed, match="did not answer"):
        await child.ready(never)
    assert child.pid is None


async def test_kills_what_does_not_stop(folder: DataFolder) -> None:
    child = ChildProcess(folder, "one", stop_seconds=0.3)
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True)"
    await child.start(
        [sys.executable, "-c", f"{stubborn}; time.sleep(60)"], cwd=folder.path, env=ENV
    )

    async def deaf() -> bool:
        return "deaf" in child.log.read_text()

    await child.ready(deaf)
    await child.stop()
    assert child.exit_code == -signal.SIGKILL
    await child.stop()


async def test_ends_the_child_of_a_killed_run_before_it_starts(folder: DataFolder) -> None:
    with subprocess.Popen(["sleep", "60"]) as former:
        folder.remember_process("one", psutil.Process(former.pid))
        child = ChildProcess(folder, "one")
        await child.start(["sleep", "60"], cwd=folder.path, env=ENV)
        assert former.wait(timeout=5) == -signal.SIGTERM
        await child.ready(ready)
        await child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
def test_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, time; from pathlib import Path\n"
        "from ops.servers.folder import DataFolder; from ops.servers.process import ChildProcess\n"
        "child = ChildProcess(DataFolder(Path(sys.argv[1])), 'one')\n"
        "asyncio.run(child.start(['sleep', '60'], cwd=Path('/'), env={'PATH': '/bin:/usr/bin'}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "data"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 5
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)
