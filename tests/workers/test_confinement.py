"""Each layer of confinement holds by itself, shown in processes that have no other."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from workers.bubblewrap import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRY = """
import os, socket, sys, threading
from pathlib import Path
from workers import confinement

port, job = int(sys.argv[1]), sys.argv[2]

def works(name, action):
    try:
        action()
    except OSError:
        return
    print(name)

def attempts():
    works("connect", lambda: socket.create_connection(("127.0.0.1", port), 1).close())
    works("listen", lambda: socket.create_server(("127.0.0.1", 0)).close())
    works("unix", lambda: socket.socket(socket.AF_UNIX).close())
    works("read", lambda: Path("/etc/passwd").read_bytes())
    works("write", lambda: Path(job, "..", "beside").write_bytes(b""))
    mine = Path(job, "mine")
    works("own", lambda: (mine.write_bytes(b"x"), mine.rename(Path(job, "my"))))
    works("fork", lambda: os._exit(0) if os.fork() == 0 else os.wait())
    works("signal", lambda: os.kill(os.getppid(), 0))
    works("thread", lambda: threading.Thread(target=int).start())
    works("program", lambda: os.spawnv(os.P_WAIT, "/bin/true", ["true"]))

"""
ALL = {"connect", "listen", "unix", "read", "write", "own", "fork", "signal", "thread", "program"}


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def works(layer: str, port: int, tmp_path: Path) -> set[str]:
    job = tmp_path / "job"
    job.mkdir()
    done = subprocess.run(
        [sys.executable, "-B", "-c", TRY + layer + "\nattempts()", str(port), str(job)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_nothing_is_refused_without_a_layer(port: int, tmp_path: Path) -> None:
    assert works("pass", port, tmp_path) == ALL


def test_system_calls_are_refused(port: int, tmp_path: Path) -> None:
    layer = "assert confinement.refuse_system_calls()"
    assert works(layer, port, tmp_path) == {"read", "write", "own", "thread"}


def test_files_and_tcp_are_out_of_reach(port: int, tmp_path: Path) -> None:
    layer = "confined = confinement.confine_files([sys.prefix, sys.base_prefix, '/usr', '/lib',"
    layer += " '/lib64', '/bin'], job)\nif not confined: print('unavailable')"
    worked = works(layer, port, tmp_path)
    if "unavailable" in worked:
        pytest.skip("this kernel has no Landlock")
    assert "own" in worked
    assert not worked & {"read", "write"}
    # Younger versions of Landlock cover TCP and signals too.
    assert worked - {"connect", "listen", "signal"} == {"unix", "own", "fork", "thread", "program"}


def test_the_network_is_left(port: int, tmp_path: Path) -> None:
    worked = works("print('left' if confinement.leave_network() else 'kept')", port, tmp_path)
    if "kept" in worked:
        pytest.skip("this system gives processes no namespaces")
    assert worked == (ALL | {"left"}) - {"connect"}


def test_resources_are_limited(port: int, tmp_path: Path) -> None:
    layer = (
        "confinement.limit_resources(1 << 28, 60, 1000, None)\n"
        "works('large', lambda: Path(job, 'large').write_bytes(b'x' * 2000))\n"
        "try: held = b'x' * (1 << 29); print('held')\n"
        "except MemoryError: print('refused')\n"
    )
    assert works(layer, port, tmp_path) == ALL | {"refused"}


def test_a_process_ends_when_its_parent_is_another_already(port: int, tmp_path: Path) -> None:
    job = tmp_path / "job"
    job.mkdir()
    layer = "confinement.die_with_parent(1)\nprint('alive')"
    done = subprocess.run(
        [sys.executable, "-B", "-c", TRY + layer, str(port), str(job)],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, b"")
