"""The product on real servers, each behind a proxy, with workers that are started anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil

from domain.bootstrap import bootstrap
from domain.database import Row
from domain.settings import Settings
from ops.migrate import upgrade
from ops.servers.embedded import EmbeddedServers
from ops.servers.folder import DataFolder
from ops.servers.process import ChildProcess
from ops.servers.s3 import BUCKET, REGION
from tests.chaos.proxy import Proxy

if TYPE_CHECKING:
    from typing import Self

ROOT = Path(__file__).resolve().parents[2]


class Stand:
    """Everything that runs; ``workers`` are the processes that faults are made in."""

    def __init__(self, workers: int, lease_seconds: float, *, keep: bool = False) -> None:
        """``keep`` leaves the data and the logs where they are, for whoever looks into a fault."""
        self._keep_folder = keep
        self._lease_seconds = lease_seconds
        self._stack = contextlib.AsyncExitStack()
        self._count = workers
        self._keepers: list[asyncio.Task[None]] = []
        self.workers: dict[int, ChildProcess] = {}
        self.servers: Any = None
        self.proxies: dict[str, Proxy] = {}
        self.owner_url = ""
        self.url = ""
        self.restarts = 0

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        stack = self._stack
        self.home = Path(tempfile.mkdtemp(prefix="aetherflow-chaos-"))
        self.home.chmod(0o711)
        if not self._keep_folder:
            stack.callback(shutil.rmtree, self.home, ignore_errors=True)
        self.folder = DataFolder(self.home / "data")
        stack.callback(self.folder.close)
        # As durable as those of `up`: what was committed must outlive the servers' deaths.
        self.servers = await stack.enter_async_context(EmbeddedServers(self.folder))
        self.owner_url = self.servers.postgres.url("aetherflow_owner")
        await asyncio.to_thread(upgrade, self.owner_url)
        await bootstrap(self.owner_url, "correct horse battery staple")
        # Jobs of the dead hold their places until their leases run out; others are to go on beside.
        await self.rows("update departments set max_running_jobs = 20")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            api_port = probe.getsockname()[1]
        ports = {
            "postgres": urlsplit(self.owner_url).port or 0,
            "redis": urlsplit(self.servers.redis.url()).port or 0,
            "s3": self.servers.s3.port,
            "api": api_port,
        }
        for name, port in ports.items():
            self.proxies[name] = proxy = Proxy(lambda port=port: port)  # type: ignore[misc]
            await proxy.start()
            stack.push_async_callback(proxy.stop)
        self.url = f"http://127.0.0.1:{self.proxies['api'].port}"
        self._environment = os.environ | self._variables()
        self._direct = f"http://127.0.0.1:{api_port}"
        # The client makes its tokens as the command does, past the proxies.
        direct = self._variables() | {
            "AETHERFLOW_DATABASE_URL": self.servers.postgres.url("aetherflow_app")
        }
        known = {name: os.environ.get(name) for name in direct}
        os.environ.update(direct)
        stack.callback(_restore, known)
        self.settings = Settings()
        self.api = ChildProcess(self.folder, "api")
        stack.push_async_callback(self.api.stop)
        await self._spawn(self.api, "tests.chaos.api", str(api_port))
        await self.api.ready(self._api_answers)
        for number in range(self._count):
            self.workers[number] = ChildProcess(self.folder, f"worker-{number}")
            stack.push_async_callback(self.workers[number].stop)
            await self._spawn(self.workers[number], "tests.chaos.worker")
            self._keepers.append(asyncio.create_task(self._keep(self.workers[number])))
        stack.push_async_callback(self._stop_keeping)
        for worker in self.workers.values():
            await worker.ready(lambda worker=worker: _says_ready(worker))  # type: ignore[misc]

    def _variables(self) -> dict[str, str]:
        def through(url: str, name: str) -> str:
            parts = urlsplit(url)
            where = f"127.0.0.1:{self.proxies[name].port}"
            user = parts.netloc.rpartition("@")[0]
            return parts._replace(netloc=f"{user}@{where}" if user else where).geturl()

        s3 = self.servers.s3
        return {
            "AETHERFLOW_ENVIRONMENT": "development",
            "AETHERFLOW_DATABASE_URL": through(
                self.servers.postgres.url("aetherflow_app"), "postgres"
            ),
            "AETHERFLOW_REDIS_URL": through(self.servers.redis.url(), "redis"),
            "AETHERFLOW_S3_ENDPOINT_URL": through(s3.endpoint_url, "s3"),
            "AETHERFLOW_S3_BUCKET": BUCKET,
            "AETHERFLOW_S3_REGION": REGION,
            "AETHERFLOW_SECRET_KEY": self.folder.secret("secret_key"),
            "AETHERFLOW_WORKER_CONCURRENCY": "5",
            "AETHERFLOW_LEASE_SECONDS": str(self._lease_seconds),
            "AETHERFLOW_LEASE_RENEW_SECONDS": str(self._lease_seconds / 3),
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.home),
        }

    async def _spawn(self, child: ChildProcess, module: str, *words: str) -> None:
        command = [sys.executable, "-m", module, *words]
        await child.start(command, cwd=ROOT, env=self._environment)

    async def _keep(self, worker: ChildProcess) -> None:
        while True:
            while worker.pid is not None:  # noqa: ASYNC110 (a process tells nobody of its end)
                await asyncio.sleep(0.05)
            self.restarts += 1
            await self._spawn(worker, "tests.chaos.worker")

    async def _stop_keeping(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for worker in self.workers.values():
            if worker.pid is not None:
                os.kill(worker.pid, signal.SIGCONT)

    async def _api_answers(self) -> bool:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            try:
                answer = await client.post(
                    f"{self._direct}/graphql", json={"query": "{ __typename }"}
                )
            except httpx.TransportError:
                return False
        return answer.is_success

    async def rows(self, text: str, *arguments: Any) -> list[Any]:
        """Asks the database past all faults, as its owner."""
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = await asyncpg.connect(self.owner_url, record_class=Row)
                try:
                    return list(await connection.fetch(text, *arguments))
                finally:
                    await connection.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)

    def name_of(self, worker: ChildProcess) -> str:
        """How a worker calls itself in leases and attempts."""
        return f"{socket.gethostname()}:{worker.pid}"

    def children_of(self, worker: ChildProcess) -> list[psutil.Process]:
        """The innermost processes that work for a worker: those in its sandboxes."""
        try:
            below = psutil.Process(worker.pid).children(recursive=True)
            return [each for each in below if not each.children()]
        except psutil.Error:
            return []


async def _says_ready(worker: ChildProcess) -> bool:
    return "is ready" in worker.told()


def _restore(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
