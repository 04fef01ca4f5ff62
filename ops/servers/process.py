"""One child process: its log, its end with ours, and the end of what a killed run left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from ops.servers.account import dropped_to
from ops.servers.errors import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ops.servers.account import Account
    from ops.servers.folder import DataFolder

PR_SET_PDEATHSIG = 1  # linux/prctl.h
READY_SECONDS = 60
STOP_SECONDS = 20

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildProcess:
    """A server or a part of ours that runs as a child until ``stop``, or until this process dies.

    On Linux the kernel sends it ``stop_signal`` when the thread that started it ends, so start it
    from the main thread. Elsewhere a killed run's children are found at the next start.
    """

    def __init__(
        self,
        folder: DataFolder,
        name: str,
        *,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """Describes the child: ``name`` is that of its log and of its note in the folder."""
        self.name = name
        self._folder = folder
        self._account = account
        self._stop_signal = stop_signal
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.log = folder.log(name)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How it ended: None while it runs or before it started, negative for a signal."""
        return self._process.poll() if self._process else None

    async def start(
        self,
        command: list[str],
        *,
        cwd: Path,
        env: dict[str, str],
        stdin: bytes | None = None,
    ) -> None:
        """Starts the command with exactly the variables of ``env``; its output goes to the log.

        The same child of a former run that was killed is ended first. Raises ServerFailed when the
        command can't be started, or that child belongs to another account.
        """
        left = self._folder.left_behind(self.name)
        if left is not None:
            await end(left, self._stop_signal, self._stop_seconds)
        parent = os.getpid()
        stop_signal = self._stop_signal

        def die_with_parent() -> None:
            if _libc is not None:
                _libc.prctl(PR_SET_PDEATHSIG, stop_signal)
                if os.getppid() != parent:
                    os.kill(os.getpid(), signal.SIGKILL)

        with self.log.open("ab") as log:
            self._log_start = log.tell()
            try:
                # The child must be this thread's own, and asyncio's would belong to one event loop.
                self._process = subprocess.Popen(  # noqa: ASYNC220
                    command,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # A terminal's Ctrl-C goes to us alone: we end our children in their order.
                    start_new_session=True,
                    # It calls nothing but prctl, getppid and kill, which are safe after a fork.
                    preexec_fn=die_with_parent,  # noqa: PLW1509
                    **dropped_to(self._account),
                )
            except (OSError, subprocess.SubprocessError) as fault:
                message = f"{self.name} can't be started: {fault}"
                raise ServerFailed(message) from fault
        self._folder.remember_process(self.name, psutil.Process(self._process.pid))
        if stdin is not None and self._process.stdin is not None:
            # A child that has ended already is told of by `ready`, with its own words.
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(stdin)

    async def ready(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Waits until ``answers`` is true. Raises ServerFailed when it ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not await answers():
            if self.pid is None:
                self._folder.forget_process(self.name)
                raise ServerFailed(self.complaint(f"ended at its start (exit {self.exit_code})"))
            if time.monotonic() > deadline:
                await self.stop()
                raise ServerFailed(self.complaint(f"did not answer within {READY_SECONDS} s"))
            await asyncio.sleep(0.03)

    async def ended(self) -> None:
        """Waits until it no longer runs."""
        while not await _within(3600, lambda: self.pid is None):
            continue

    def told(self) -> str:
        """Returns what it has written since its start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def complaint(self, what: str) -> str:
        """Returns a sentence about this child, with the last lines that it wrote."""
        lines = self.told()[-4000:].splitlines()[-12:]
        told = "".join(f"\n    {line}" for line in lines)
        return f"{self.name} {what}. The end of {self.log}:{told or ' (nothing)'}"

    async def stop(self) -> None:
        """Asks the child to end, waits, and kills it when it does not. Does nothing twice."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(self._stop_signal)
            if not await _within(self._stop_seconds, lambda: process.poll() is not None):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._folder.forget_process(self.name)


async def end(process: psutil.Process, stop_signal: signal.Signals, seconds: float) -> None:
    """Ends a process that is not our child: asks, waits, then kills.

    Raises ServerFailed when it belongs to another account.
    """

    def gone() -> bool:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

    try:
        process.send_signal(stop_signal)
        if not await _within(seconds, gone):
            process.kill()
            await _within(seconds, gone)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied as fault:
        message = (
            f"process {process.pid} of a former run belongs to another account. End it with "
            f"`kill {process.pid}` as that account, then start again."
        )
        raise ServerFailed(message) from fault


async def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Looks again and again whether something happened, and tells whether it did in time."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while time.monotonic() < deadline:
        if happened():
            return True
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    return happened()
