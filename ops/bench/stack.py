"""The whole product for a bench: servers in a temporary folder, one API process, a worker."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx

from domain.bootstrap import bootstrap
from domain.settings import Settings
from ops.access import LocalAccount
from ops.client import Client
from ops.migrate import upgrade
from ops.servers.embedded import EmbeddedServers
from ops.servers.folder import DataFolder
from ops.servers.process import ChildProcess
from ops.servers.s3 import BUCKET, REGION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
ACCOUNT = "sales@aetherflow.local"
DEPARTMENT = "sales"


@dataclass(frozen=True, slots=True)
class Stack:
    """The running product; ``folder`` is a temporary folder that ends with it."""

    folder: Path
    data: DataFolder
    url: str
    owner_url: str
    settings: Settings
    environment: dict[str, str]
    """The variables of the parts."""
    api: ChildProcess

    def client(self, account: str = ACCOUNT) -> Client:
        """Makes a client that is signed in, unless told otherwise for the benches' department."""
        return Client(self.url, LocalAccount(self.settings, account))

    async def as_owner(self, text: str, *arguments: Any) -> list[Any]:
        """Runs one statement as the database's owner, whom no policy keeps from anything."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            return list(await connection.fetch(text, *arguments))
        finally:
            await connection.close()


@asynccontextmanager
async def running_stack() -> AsyncIterator[Stack]:
    """Starts servers and API, in the main thread, and ends them with all their data.

    The servers run as durably as those of `up`. Raises ServerFailed.
    """
    home, folder = await asyncio.to_thread(_made_folder)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        stack.callback(folder.close)
        servers = await stack.enter_async_context(EmbeddedServers(folder))
        owner, variables = _variables(folder, servers)
        known = {name: os.environ.get(name) for name in variables}
        stack.callback(_set_environment, known)
        # What is remembered of an upload that is cut off must not outlive its servers either.
        _set_environment({**variables, "XDG_CACHE_HOME": str(home / "cache")})
        settings = Settings()
        await asyncio.to_thread(upgrade, owner)
        await bootstrap(owner, folder.secret("password"))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        words = ["api", "--host", "127.0.0.1", "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        api = await stack.enter_async_context(_running(folder, environment, *words))
        await api.ready(lambda: _answers(url))
        yield Stack(home, folder, url, owner, settings, environment, api)


@asynccontextmanager
async def running_worker(stack: Stack) -> AsyncIterator[ChildProcess]:
    """Starts a worker beside the stack, and ends it. Raises ServerFailed."""
    async with _running(stack.data, stack.environment, "worker") as worker:
        await worker.ready(lambda: _says_ready(worker))
        yield worker


@asynccontextmanager
async def _running(
    folder: DataFolder, environment: dict[str, str], name: str, *words: str
) -> AsyncIterator[ChildProcess]:
    child = ChildProcess(folder, name)
    try:
        command = [sys.executable, "-m", "ops", name, *words]
        await child.start(command, cwd=ROOT, env=environment)
        yield child
    finally:
        await child.stop()


def _made_folder() -> tuple[Path, DataFolder]:
    home = Path(tempfile.mkdtemp(prefix="aetherflow-bench-"))
    # Under root PostgreSQL runs as an account of its own, which must get through to its data.
    home.chmod(0o711)
    return home, DataFolder(home / "data")


def _variables(folder: DataFolder, servers: EmbeddedServers) -> tuple[str, dict[str, str | None]]:
    assert servers.postgres is not None  # noqa: S101 (all three were asked for)
    assert servers.redis is not None  # noqa: S101 (as above)
    assert servers.s3 is not None  # noqa: S101 (as above)
    owner = servers.postgres.url("aetherflow_owner")
    return owner, {
        "AETHERFLOW_ENVIRONMENT": "development",
        "AETHERFLOW_DATABASE_URL": servers.postgres.url("aetherflow_app"),
        "AETHERFLOW_REDIS_URL": servers.redis.url(),
        "AETHERFLOW_S3_ENDPOINT_URL": servers.s3.endpoint_url,
        "AETHERFLOW_S3_BUCKET": BUCKET,
        "AETHERFLOW_S3_REGION": REGION,
        "AETHERFLOW_S3_PUBLIC_URL": None,
        "AETHERFLOW_SECRET_KEY": folder.secret("secret_key"),
        "AWS_ACCESS_KEY_ID": servers.s3.access_key,
        "AWS_SECRET_ACCESS_KEY": servers.s3.secret_key,
        "AWS_SESSION_TOKEN": None,
    }


def _set_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        try:
            answer = await client.post(f"{url}/graphql", json={"query": "{ __typename }"})
        except httpx.TransportError:
            return False
    return answer.is_success


async def _says_ready(worker: ChildProcess) -> bool:
    return "is ready" in worker.log.read_text(errors="replace")
