"""Tasks that do what a child must not be able to do, or must not survive."""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.engines.duck import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.engines.task import Request

HERE = "tests.workers.hostile_tasks"
TASKS = {
    name: f"{HERE}:{name}"
    for name in (
        "look_around",
        "reach_out",
        "hold_memory",
        "hold_shared_memory",
        "spin",
        "backtrack",
        "sleep",
        "write_much",
        "crash",
        "leave",
        "talk_nonsense",
        "say_much",
    )
}


FOREIGN = ("/etc/passwd", "/var/lib", "/home", "/sys", "/proc/1/environ", "/proc/self/maps")


def look_around(_: Request) -> dict[str, Any]:
    """Tells what the child has: variables, files, open descriptors, and what it can read."""
    return {
        "environment": sorted(os.environ),
        "files": sorted(each.name for each in Path().iterdir()),
        "descriptors": _open_descriptors(),
        "user": os.getuid(),
        "readable": [path for path in FOREIGN if _reads(path)],
        "writable": [path for path in ("/", "/tmp", "/usr", "/dev/shm") if _writes(path)],  # noqa: S108 - to see that it is not
        "package_writable": _writes(str(Path(__file__).parent)),
    }


def reach_out(request: Request) -> dict[str, Any]:
    """Tries what is forbidden, and tells which of it went well."""
    port = int(request.params["port"])
    connection = connect(request.memory_bytes, 1)
    return {
        "connect": _works(lambda: socket.create_connection(("127.0.0.1", port), 1)),
        "socket": _works(lambda: socket.socket(socket.AF_UNIX)),
        "fork": _works(_fork),
        "program": _works(lambda: subprocess.run(["/bin/true"], check=True)),
        "signal": _works(lambda: os.kill(int(request.params["pid"]), 0)),
        "thread": _works(_thread),
        "duckdb_passwd": _works(
            lambda: connection.sql("from read_csv('/etc/passwd', delim=':')").fetchall()
        ),
        "duckdb_parent": _works(
            lambda: connection.sql("select content from read_text('../*/input')").fetchall()
        ),
        "duckdb_network": _works(
            lambda: connection.sql(f"from 'http://127.0.0.1:{port}/x.csv'").fetchall()
        ),
        "duckdb_settings": _works(lambda: connection.execute("set enable_external_access = true")),
        "duckdb_write": _works(lambda: connection.execute("copy (select 1) to '/tmp/x.csv'")),
        "duckdb_input": _works(
            lambda: connection.sql("select content from read_text('input')").fetchall()
        ),
    }


def hold_memory(_: Request) -> dict[str, Any]:
    """Takes memory without end."""
    held = []
    while True:
        held.append(b"x" * (1 << 24))


def hold_shared_memory(_: Request) -> dict[str, Any]:
    """Takes memory that the kernel's limit on data does not count."""
    held = []
    while True:
        held.append(mmap.mmap(-1, 1 << 24))
        held[-1].write(b"x" * (1 << 24))


def spin(_: Request) -> dict[str, Any]:
    """Uses the processor without end."""
    while True:
        pass


def backtrack(_: Request) -> dict[str, Any]:
    """Holds the interpreter's lock in one call without end."""
    return {"found": bool(re.match(r"(a|aa)+$", "a" * 60 + "b"))}


def sleep(request: Request) -> dict[str, Any]:
    """Says that it is there, and waits."""
    request.progress.stage("Sleeping", 10, 20)
    time.sleep(600)
    return {}


def write_much(_: Request) -> dict[str, Any]:
    """Writes a file without end."""
    with Path("large").open("wb") as file:
        while True:
            file.write(b"x" * (1 << 20))


def crash(_: Request) -> dict[str, Any]:
    """Reads where nothing is."""
    return {"text": ctypes.string_at(0).decode()}


def leave(_: Request) -> dict[str, Any]:
    """Ends without an answer."""
    os._exit(7)


def talk_nonsense(_: Request) -> dict[str, Any]:
    """Prints, complains, and writes rubbish where answers go."""
    sys.stdout.write("printed\n")
    sys.stderr.write("complained\n")
    for descriptor in _open_descriptors():
        if descriptor > 2:
            os.write(descriptor, b'not json\n[1]\n{"progress": "x"}\n{"progress": 999}\n"text"\n')
    return {"said": True}


def say_much(request: Request) -> dict[str, Any]:
    """Reports its progress far too often."""
    request.progress.stage("Talking", 0, 100)
    for at in range(100_000):
        request.progress.reach(at / 100_000)
    return {"large": "x" * (4 << 20)}


def _open_descriptors() -> list[int]:
    found = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        found.append(descriptor)
    return found


def _reads(path: str) -> bool:
    return _works(
        lambda: list(Path(path).iterdir()) if Path(path).is_dir() else Path(path).read_bytes()
    )


def _writes(path: str) -> bool:
    return _works(lambda: Path(path, "left-by-the-child").write_bytes(b""))


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _thread() -> None:
    threading.Thread(target=lambda: None).start()


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except Exception:  # noqa: BLE001 - how it is forbidden does not matter here
        return False
    return True
