"""Runs work on untrusted files in a child process that can reach nothing but its job directory.

Bubblewrap gives the child namespaces and a file system of its own where it is installed and
allowed; elsewhere the child confines itself as far as the kernel lets it (`workers.confinement`).
Memory, CPU time, file size and number of threads are limited by the kernel; wall time, and the
memory of everything below the child, by the parent.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workers
from workers.confinement import count_user_threads
from workers.engines.errors import ADVICE, RETRYABLE, FileErrorCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

PROJECT = Path(workers.__file__).resolve().parent.parent

# Isolated: no variables, no user's packages, no working directory on the path. No byte code.
PYTHON = (sys.executable, "-I", "-B", "-X", "utf8", "-c")
START = (
    "import runpy, sys; sys.path.insert(0, {root!r});"
    " runpy.run_module('workers.child', run_name='__main__')"
)
PREFIX = "job-"

MAX_LINE_BYTES = 32 << 20
MAX_STDERR_BYTES = 64 << 10
MEMORY_SECONDS = 0.1
"""How often the memory of the child's processes is looked at."""

GONE_SECONDS = 5.0
"""How long a killed child may take to be gone."""

OUT_OF_MEMORY_SIGNS = (
    b"bad_alloc",
    b"memory allocation of",
    b"MemoryError",
    b"Cannot allocate memory",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may take. Processes are counted as threads."""

    memory_bytes: int
    cpu_seconds: int
    wall_seconds: float
    file_bytes: int
    processes: int


class ChildFailed(Exception):
    """The work ended without a result. `traceback` is for operators, the message for everyone."""

    def __init__(self, code: FileErrorCode, message: str, traceback: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.traceback = traceback
        self.retryable = code in RETRYABLE


class ChildStopped(Exception):
    """The work was stopped because the caller asked for it."""


class Sandbox:
    """Job directories below one root, and children that work in them under the same limits."""

    def __init__(self, limits: Limits, root: Path, *, tasks: str = "workers.engines.tasks") -> None:
        """`tasks` names the module with the tasks that the child may run."""
        self._limits = limits
        self._root = root
        self._tasks = tasks
        self._bubblewrap: bool | None = None
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_abandoned(root)

    @asynccontextmanager
    async def directory(self) -> AsyncIterator[Path]:
        """Gives a fresh job directory that only this user can enter, and removes it afterwards."""
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._root))
        # The lock says that the directory is in use, also to other processes with the same root.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            os.close(descriptor)
            await asyncio.to_thread(_remove, path)

    async def run(
        self,
        task: str,
        directory: Path,
        request: Mapping[str, object],
        *,
        on_progress: Callable[[int, str], None],
        stop: asyncio.Event,
    ) -> dict[str, Any]:
        """Runs a task in a directory and gives its result.

        `request` is ``{"input": file name, "file_type": …, "params": {…}}``. `on_progress` is
        called with a percentage (0 to 100) and the name of the step. Raises `ChildFailed`, and
        `ChildStopped` as soon as `stop` is set; by then the child and all that it started are gone.
        """
        if threading.current_thread() is not threading.main_thread():
            # The kernel ends the child with the thread that started it: that has to be one that
            # lives as long as the process.
            raise RuntimeError("children are started from the main thread alone")
        if self._bubblewrap is None:
            self._bubblewrap = await self._bubblewrap_works(directory)
        order = {
            "task": task,
            "tasks": self._tasks,
            "request": dict(request),
            "parent": os.getpid(),
            "bubblewrap": self._bubblewrap,
            "readable": _readable_paths(self._tasks),
            "memory_bytes": self._limits.memory_bytes,
            "cpu_seconds": self._limits.cpu_seconds,
            "file_bytes": self._limits.file_bytes,
            "processes": self._limits.processes + (count_user_threads() if os.getuid() else 0),
        }
        child = await self._start(directory, START.format(root=str(PROJECT)))
        work = asyncio.create_task(_converse(child, order, on_progress))
        memory = asyncio.create_task(_exceeds(child.pid, self._limits.memory_bytes))
        stopped = asyncio.create_task(stop.wait())
        watchers = {work, memory, stopped}
        try:
            done, _ = await asyncio.wait(
                watchers,
                timeout=self._limits.wall_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await _end(child)
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
        if stopped in done:
            raise ChildStopped
        if work in done:
            return _outcome(await work, child.returncode or 0)
        if memory in done:
            raise _failure(FileErrorCode.OUT_OF_MEMORY, "The file needs more memory than allowed.")
        raise _failure(
            FileErrorCode.TIMED_OUT,
            f"The work took longer than {self._limits.wall_seconds:g} seconds.",
        )

    async def _start(self, directory: Path, program: str) -> asyncio.subprocess.Process:
        prefix = _bubblewrap(directory, self._tasks) if self._bubblewrap else ()
        return await asyncio.create_subprocess_exec(
            *prefix,
            *PYTHON,
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=directory,
            env={},
            close_fds=True,
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )

    async def _bubblewrap_works(self, directory: Path) -> bool:
        """Tries it once: it may be missing, or the container around us may not allow it."""
        if shutil.which("bwrap") is None:
            return False
        self._bubblewrap = True
        child = await self._start(directory, "import json")
        await child.communicate()
        return child.returncode == 0


@dataclass(slots=True)
class _Answer:
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    stderr: bytes


async def _converse(
    child: asyncio.subprocess.Process,
    order: dict[str, Any],
    on_progress: Callable[[int, str], None],
) -> _Answer:
    """Sends the order, and listens until the child ends."""
    stdin, stdout, stderr = child.stdin, child.stdout, child.stderr
    if stdin is None or stdout is None or stderr is None:
        raise RuntimeError("the child has no pipes")
    complaints = asyncio.create_task(_tail(stderr))
    answer = _Answer(None, None, b"")
    try:
        with suppress(ConnectionError):  # It ended before it listened: how, is told by its end.
            stdin.write(json.dumps(order).encode() + b"\n")
            await stdin.drain()
        while line := await _line(stdout):
            told = _parsed(line)
            if "progress" in told:
                on_progress(
                    min(max(int(told["progress"]), 0), 100), str(told.get("step", ""))[:200]
                )
            elif isinstance(told.get("result"), dict):
                answer.result = told["result"]
                break
            elif isinstance(told.get("error"), dict):
                answer.error = told["error"]
                break
        await child.wait()
        answer.stderr = await complaints
    finally:
        complaints.cancel()
    return answer


async def _line(stdout: asyncio.StreamReader) -> bytes:
    try:
        return await stdout.readline()
    except ValueError:
        return b""  # Longer than any honest answer.


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
        return {**told, "progress": int(told["progress"])} if "progress" in told else dict(told)
    except (ValueError, TypeError):
        return {}  # What a child says that was taken over is not to break its parent.


async def _tail(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while chunk := await stream.read(1 << 16):
        kept = (kept + chunk)[-MAX_STDERR_BYTES:]
    return kept


def _outcome(answer: _Answer, status: int) -> dict[str, Any]:
    """Gives the result, or raises what an answer or a child's way of ending means."""
    if answer.result is not None:
        return answer.result
    trace = answer.stderr.decode("utf-8", "replace") or None
    if answer.error is not None:
        known = answer.error.get("code") in set(FileErrorCode)
        code = FileErrorCode(answer.error["code"]) if known else FileErrorCode.INTERNAL
        message, told = answer.error.get("message"), answer.error.get("traceback")
        raise ChildFailed(code, str(message)[:4000], str(told) if told else trace)
    # Bubblewrap tells a signal as a shell does: 128 and its number.
    number = -status if status < 0 else status - 128
    if number == signal.SIGXCPU:
        raise _failure(FileErrorCode.TIMED_OUT, "The work used up its CPU time.", trace)
    if any(sign in answer.stderr for sign in OUT_OF_MEMORY_SIGNS):
        raise _failure(
            FileErrorCode.OUT_OF_MEMORY, "The file needs more memory than allowed.", trace
        )
    known_signals = {each.value for each in signal.Signals}
    how = f"by {signal.Signals(number).name}" if number in known_signals else f"with {status}"
    raise _failure(FileErrorCode.CHILD_DIED, f"The process at work was ended {how}.", trace)


def _failure(code: FileErrorCode, found: str, trace: str | None = None) -> ChildFailed:
    return ChildFailed(code, f"{found} {ADVICE[code]}", trace)


async def _exceeds(pid: int, memory_bytes: int) -> None:
    """Returns when a process and all below it together hold more memory than allowed."""
    # The kernel tells nobody how much memory a process has, it has to be asked.
    while sum(map(_resident, _family(pid))) <= memory_bytes:  # noqa: ASYNC110 - as said above
        await asyncio.sleep(MEMORY_SECONDS)


def _family(pid: int) -> list[int]:
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


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kills a child and all that is below it, and waits until they are gone."""
    family = _family(child.pid)
    # The child leads a process group, so that nothing it started can be left behind.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
    # Bubblewrap's processes end with the first of them, but not in the same moment.
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GONE_SECONDS
    while any(map(_lives, family)) and loop.time() < deadline:  # noqa: ASYNC110 - only parents are told
        await asyncio.sleep(GONE_SECONDS / 500)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] not in "ZX"


def _readable_paths(tasks: str) -> list[str]:
    """Gives what Python needs: itself, its packages, the system's libraries, and our own code."""
    paths = {sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"}
    paths |= {path for path in sys.path if path and Path(path).resolve() != PROJECT}
    for package in {"workers", tasks.partition(".")[0]}:
        found = importlib.util.find_spec(package)
        paths |= set(found.submodule_search_locations or ()) if found else set()
    existing = sorted(path for path in paths if Path(path).exists() and Path(path) != Path("/"))
    return [path for path in existing if not _inside(path, existing)]


def _inside(path: str, paths: list[str]) -> bool:
    return any(Path(path) != Path(other) and Path(path).is_relative_to(other) for other in paths)


def _bubblewrap(directory: Path, tasks: str) -> tuple[str, ...]:
    """Gives the command that a child's own command is put behind."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    for path in _readable_paths(tasks):
        if Path(path).is_symlink() and Path(path).parent == Path("/"):
            command += ["--symlink", str(Path(path).readlink()), path]
        else:
            command += ["--ro-bind", path, path]
    for device in ("/dev/null", "/dev/urandom"):
        command += ["--dev-bind", device, device]
    # What is outside the job directory would be memory that nobody counts, so it can't be written.
    command += ["--bind", str(directory), "/job", "--chdir", "/job", "--remount-ro", "/", "--"]
    return (shutil.which(command[0]) or command[0], *command[1:])


def _remove_abandoned(root: Path) -> None:
    """Removes directories whose process was killed before it could."""
    for path in root.glob(PREFIX + "*"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)
            _remove(path)


def _remove(path: Path) -> None:
    # The child may have taken its own permissions away; a folder is opened before it is walked.
    with suppress(OSError):
        path.chmod(0o700)
    for folder, below, _ in os.walk(path):
        for name in below:
            if not Path(folder, name).is_symlink():
                Path(folder, name).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
