"""Runs work on untrusted files in a child process that can reach nothing but its job directory.

Bubblewrap gives the child namespaces and a file system of its own where it is installed and
allowed; elsewhere the child confines itself as far as the kernel lets it (`workers.confinement`).
Memory, CPU time, file size and number of threads are limited by the kernel; wall time, and the
memory of everything below the child, by the parent.
"""

from __future__ import annotations

import asyncio
import fcntl
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

from workers.bubblewrap import PROJECT, bubblewrap, readable_paths
from workers.confinement import count_user_threads
from workers.conversation import MAX_LINE_BYTES, Answer, converse
from workers.engines.errors import ADVICE, BLAMELESS, RETRYABLE, FileErrorCode
from workers.processes import end, exceeds, stands_still

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

# Isolated: no variables, no user's packages, no working directory on the path. No byte code.
PYTHON = (sys.executable, "-I", "-B", "-X", "utf8", "-c")
START = (
    "import runpy, sys; sys.path.insert(0, {root!r});"
    " runpy.run_module('workers.child', run_name='__main__')"
)
PREFIX = "job-"

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
        self.blames_file = code not in BLAMELESS


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
            "readable": readable_paths(self._tasks),
            "memory_bytes": self._limits.memory_bytes,
            "cpu_seconds": self._limits.cpu_seconds,
            "file_bytes": self._limits.file_bytes,
            "processes": self._limits.processes + (count_user_threads() if os.getuid() else 0),
        }
        child = await self._start(directory, START.format(root=str(PROJECT)))
        work = asyncio.create_task(converse(child, order, on_progress))
        memory = asyncio.create_task(exceeds(child.pid, self._limits.memory_bytes))
        frozen = asyncio.create_task(stands_still(child.pid))
        stopped = asyncio.create_task(stop.wait())
        watchers = {work, memory, frozen, stopped}
        try:
            done, _ = await asyncio.wait(
                watchers,
                timeout=self._limits.wall_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            await end(child)
            for watcher in watchers:
                watcher.cancel()
            await asyncio.gather(*watchers, return_exceptions=True)
        if stopped in done:
            raise ChildStopped
        if work in done:
            return _outcome(await work, child.returncode or 0)
        if memory in done:
            raise _failure(FileErrorCode.OUT_OF_MEMORY, "The file needs more memory than allowed.")
        if frozen in done:
            raise _failure(FileErrorCode.CHILD_DIED, "The process at work was stopped by a signal.")
        raise _failure(
            FileErrorCode.TIMED_OUT,
            f"The work took longer than {self._limits.wall_seconds:g} seconds.",
        )

    async def _start(self, directory: Path, program: str) -> asyncio.subprocess.Process:
        prefix = bubblewrap(directory, self._tasks) if self._bubblewrap else ()
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


def _outcome(answer: Answer, status: int) -> dict[str, Any]:
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
