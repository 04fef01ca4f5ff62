"""The kinds of fault, each of which proves that it hit what it was meant for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import redis.asyncio
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from ops.servers.process import ChildProcess
    from tests.chaos.stand import Stand


@dataclass
class Hits:
    """What was hit, how often, and when the attempts were that died of it."""

    by_kind: Counter[str] = field(default_factory=Counter)
    workers: list[tuple[float, str]] = field(default_factory=list)
    """When a worker was killed or stopped for good, and the name that it had."""
    children: list[tuple[float, str]] = field(default_factory=list)
    """When a child was, and the name of its worker."""


class Faults:
    """Makes faults in a stand."""

    def __init__(self, stand: Stand, random: Random) -> None:
        self._stand = stand
        self._random = random
        self._stopped: set[int] = set()
        self._frozen: list[psutil.Process] = []
        self._turns = {name: asyncio.Lock() for name in ("postgres", "redis", "s3")}
        self.hits = Hits()
        self.kinds: dict[str, Callable[[], Awaitable[bool]]] = {
            "worker killed": self._kill_worker,
            "worker stopped": self._stop_worker,
            "child killed": self._kill_child,
            "child stopped": self._stop_child,
            "Redis flushed": self._flush,
            "Redis killed and restarted": self._restart_redis,
            "PostgreSQL restarted, immediate": self._restart_postgres,
            "S3 answers 503": self._s3_busy,
            "S3 hangs": self._s3_hangs,
            "sockets reset": lambda: self._reset("api"),
            "Redis's connections reset": lambda: self._reset("redis"),
            "PostgreSQL's connections reset": lambda: self._reset("postgres"),
        }

    async def make(self, kind: str) -> None:
        """Makes one fault, trying again until it hit, for at most 20 seconds."""
        deadline = time.monotonic() + 20
        while not await self.kinds[kind]():
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(0.1)
        self.hits.by_kind[kind] += 1

    def end_the_frozen(self) -> None:
        """Ends stopped children that nobody is left to end: their workers were killed meanwhile."""
        for child in self._frozen:
            with contextlib.suppress(psutil.Error):
                child.kill()

    def _worker(self) -> ChildProcess | None:
        alive = [
            worker
            for number, worker in self._stand.workers.items()
            if worker.pid is not None and number not in self._stopped
        ]
        ready = [worker for worker in alive if "is ready" in worker.told()]
        return self._random.choice(ready) if ready else None

    async def _kill_worker(self) -> bool:
        worker = self._worker()
        if worker is None or worker.pid is None:
            return False
        name, pid = self._stand.name_of(worker), worker.pid
        self.hits.workers.append((time.time(), name))
        os.kill(pid, signal.SIGKILL)
        while worker.pid == pid:  # noqa: ASYNC110 (a process tells nobody of its end)
            await asyncio.sleep(0.01)
        return True

    async def _stop_worker(self) -> bool:
        """Stops a worker for longer than its lease; when it wakes, others have its jobs."""
        if self._stopped or (worker := self._worker()) is None or worker.pid is None:
            return False
        number = next(n for n, each in self._stand.workers.items() if each is worker)
        name, pid = self._stand.name_of(worker), worker.pid
        self._stopped.add(number)
        try:
            os.kill(pid, signal.SIGSTOP)
            self.hits.workers.append((time.time(), name))
            await asyncio.sleep(self._random.uniform(17, 20))
            stood = psutil.Process(pid).status() == psutil.STATUS_STOPPED
            os.kill(pid, signal.SIGCONT)
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False  # It was about to end by itself.
        finally:
            self._stopped.discard(number)
        return stood

    async def _child(self, how: signal.Signals) -> psutil.Process | None:
        worker = self._worker()
        children = self._stand.children_of(worker) if worker else []
        if worker is None or not children:
            return None
        child = self._random.choice(children)
        name = self._stand.name_of(worker)
        try:
            child.send_signal(how)
        except psutil.NoSuchProcess:
            return None
        self.hits.children.append((time.time(), name))
        return child

    async def _kill_child(self) -> bool:
        child = await self._child(signal.SIGKILL)
        return child is not None

    async def _stop_child(self) -> bool:
        child = await self._child(signal.SIGSTOP)
        if child is None:
            return False
        self._frozen.append(child)
        await asyncio.sleep(0.05)
        try:
            return bool(child.status() == psutil.STATUS_STOPPED)
        except psutil.NoSuchProcess:
            return False

    async def _redis(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        try:
            async with redis.asyncio.Redis.from_url(self._stand.servers.redis.url()) as client:
                return await ask(client)
        except (RedisError, OSError):
            return None

    async def _flush(self) -> bool:
        async def flush(client: Any) -> bool:
            await client.set("aetherflow:chaos", "1")
            await client.flushall()
            return not await client.exists("aetherflow:chaos")

        return bool(await self._redis(flush))

    async def _restart_redis(self) -> bool:
        async with self._turns["redis"]:
            server = self._stand.servers.redis
            pid = server.child.pid
            os.kill(pid, signal.SIGKILL)
            while server.child.pid is not None:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.01)
            await asyncio.sleep(self._random.uniform(0, 3))
            await server.start()
            return bool(server.child.pid != pid)

    async def _restart_postgres(self) -> bool:
        async with self._turns["postgres"]:
            server = self._stand.servers.postgres
            before = await self._stand.rows("select pg_postmaster_start_time() as at")
            os.kill(server.child.pid, signal.SIGQUIT)
            while server.child.pid is not None:  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.01)
            await asyncio.sleep(self._random.uniform(0, 2))
            await server.start()
            after = await self._stand.rows("select pg_postmaster_start_time() as at")
            return bool(after[0]["at"] > before[0]["at"])

    async def _s3_busy(self) -> bool:
        return await self._s3(lambda proxy: proxy.be_busy(), lambda proxy: proxy.answered_busy)

    async def _s3_hangs(self) -> bool:
        return await self._s3(lambda proxy: proxy.hang(), lambda proxy: proxy.held)

    async def _s3(self, begin: Callable[[Any], None], count: Callable[[Any], int]) -> bool:
        async with self._turns["s3"]:
            proxy = self._stand.proxies["s3"]
            before = count(proxy)
            begin(proxy)
            await asyncio.sleep(self._random.uniform(1.5, 5))
            proxy.recover()
            return count(proxy) > before

    async def _reset(self, name: str) -> bool:
        return self._stand.proxies[name].reset() > 0
