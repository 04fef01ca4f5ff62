"""The data folder: one process at a time owns it, and it remembers what must outlive a start.

It holds the servers' data, ``secrets.json`` (made once, readable by its owner alone),
``ports.json`` (so that addresses stay the same), ``processes.json`` (so that what a killed run
left behind is found) and ``logs/``.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import threading
from typing import TYPE_CHECKING, Any

import psutil

from ops.servers.errors import ServerFailed

if TYPE_CHECKING:
    from pathlib import Path

LOG_BYTES = 10 * 1024 * 1024


def port_refusal(host: str, port: int) -> OSError | None:
    """Returns why a server could not listen on the port of the address now, or None if it could."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do it: a connection that lingers after its close takes nobody's port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as fault:
        return fault
    return None


def holder_of_port(port: int) -> str:
    """Names the process that listens on a port, as far as this account may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        here = connection.laddr and connection.laddr.port == port
        if here and connection.status == psutil.CONN_LISTEN and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
            except psutil.NoSuchProcess:
                continue
    return "another program"


class DataFolder:
    """A folder that this process alone uses until ``close``."""

    def __init__(self, path: Path, *, address: str = "") -> None:
        """Takes the folder, making it when it is missing.

        ``address`` is what a second start is told about this one. Raises ServerFailed when another
        process has the folder, or it belongs to another account.
        """
        self.path = path.resolve()
        self._turn = threading.Lock()  # servers start at once, some of it in threads
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Others may pass through, for the account that PostgreSQL runs as; they can't list it.
            self.path.chmod(0o711)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError as fault:
            message = (
                f"{self.path} can't be used by this account ({fault.strerror}). Run as the account "
                "that made it, or name another folder with --data-dir."
            )
            raise ServerFailed(message) from fault
        except OSError as fault:
            message = (
                f"{self.path} can't be a data folder: {fault.strerror}. Name another one with "
                "--data-dir."
            )
            raise ServerFailed(message) from fault
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            holder = os.read(self._lock, 200).decode()
            os.close(self._lock)
            message = (
                f"this runs in {self.path} already{f' ({holder})' if holder else ''}. Use "
                "that one, end it with Ctrl-C, or name another folder with --data-dir."
            )
            raise ServerFailed(message) from fault
        os.ftruncate(self._lock, 0)
        os.pwrite(
            self._lock, f"process {os.getpid()}{f', {address}' if address else ''}".encode(), 0
        )
        self.logs.mkdir(mode=0o700, exist_ok=True)

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.path / "logs"

    def close(self) -> None:
        """Gives the folder back."""
        os.ftruncate(self._lock, 0)
        os.close(self._lock)

    def secret(self, name: str) -> str:
        """Returns the secret of this name, made at the first call: 43 characters, 256 bits."""
        with self._turn:
            known = self._read("secrets")
            if name not in known:
                known[name] = secrets.token_urlsafe(32)
                self._write("secrets", known)
            return str(known[name])

    def port(self, name: str, host: str = "127.0.0.1") -> int:
        """Returns the port that this server had before, or a free one when that is taken now."""
        with self._turn:
            known = self._read("ports")
            if name not in known or port_refusal(host, known[name]):
                with socket.create_server((host, 0)) as probe:
                    known[name] = probe.getsockname()[1]
                self._write("ports", known)
            return int(known[name])

    def log(self, name: str) -> Path:
        """Returns the log of a server, having put a long one aside."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def remember_process(self, name: str, process: psutil.Process) -> None:
        """Notes a child, so that the next start finds it should this process be killed."""
        with self._turn:
            known = self._read("processes")
            known[name] = {"pid": process.pid, "started": process.create_time()}
            self._write("processes", known)

    def forget_process(self, name: str) -> None:
        """Strikes out a child that has ended."""
        with self._turn:
            known = self._read("processes")
            if known.pop(name, None) is not None:
                self._write("processes", known)

    def left_behind(self, name: str) -> psutil.Process | None:
        """Returns the child of this name that a former run left running, if there is one."""
        noted = self._read("processes").get(name)
        if noted is None:
            return None
        try:
            process = psutil.Process(noted["pid"])
            # A number is used again by other processes; together with its start it is not. The
            # clock that starts are read from may be set by a second or so.
            same = abs(process.create_time() - noted["started"]) < 2  # noqa: PLR2004 (seconds)
        except psutil.NoSuchProcess:
            return None
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / f"{name}.json"
        try:
            return dict(json.loads(path.read_text()))
        except FileNotFoundError:
            return {}
        except ValueError as fault:
            message = f"{path} is damaged: put a good copy back, or move {self.path} away."
            raise ServerFailed(message) from fault

    def _write(self, name: str, content: dict[str, Any]) -> None:
        # Written aside and renamed: a crash leaves the old file or the new one, never half of one.
        path = self.path / f"{name}.json"
        aside = path.with_suffix(".new")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
