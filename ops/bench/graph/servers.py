"""The measured servers as processes: their start, and what they cost while they are asked."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from ops.bench.graph.cases import HAND_WRITTEN, PAIR
from ops.bench.graph.serve import HOST
from ops.bench.memory import watched
from ops.bench.stack import ROOT
from ops.failure import CommandFailed
from ops.servers.process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ops.bench.graph.shapes import Shape
    from ops.bench.stack import Stack

VARIABLES = {"AETHERFLOW_PAGE_LIMIT": "10000", "AETHERFLOW_ACCESS_TOKEN_MINUTES": "120"}
"""What all servers are given: the flat lists need longer pages than are allowed by default."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of one server; seconds and bytes."""

    rate: float
    p50: float
    p99: float
    cpu: float
    """Processor time of the server's processes for each answer."""
    memory: int
    """Resident bytes of the server's processes at their highest."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of the servers, which listens on a port with one process or more."""

    name: str
    port: int
    processes: tuple[psutil.Process, ...]

    def request(self, shape: Shape, token: str) -> str:
        """The request for a shape as this server understands it."""
        return shape.request(token, hand_written=self.name == HAND_WRITTEN).decode()

    def cpu_seconds(self) -> float:
        """The processor time that its processes have taken so far."""
        times = [process.cpu_times() for process in self.processes]
        return sum(time.user + time.system for time in times)


class Load:
    """The process whose clients ask."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, server: Server, request: str, clients: int, seconds: float) -> Any:
        """Asks for so long; gives what ``load.measured`` gives. Raises CommandFailed."""
        assert self._process.stdin is not None  # noqa: S101 (it was started with pipes)
        assert self._process.stdout is not None  # noqa: S101 (as above)
        order = {"port": server.port, "request": request, "clients": clients, "seconds": seconds}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        answer = json.loads(line or '{"fault": "the clients have ended"}')
        if "fault" in answer:
            message = f"{server.name} failed while it was measured: {answer['fault']}"
            raise CommandFailed(message)
        return answer

    async def measure(self, server: Server, request: str, clients: int, seconds: float) -> Measured:
        """Asks for so long, and looks at what it costs the server."""
        before = server.cpu_seconds()
        async with AsyncExitStack() as stack:
            watches = [await stack.enter_async_context(watched(p.pid)) for p in server.processes]
            answer = await self.run(server, request, clients, seconds)
        return Measured(
            rate=answer["answers"] / answer["seconds"],
            p50=answer["p50"],
            p99=answer["p99"],
            cpu=(server.cpu_seconds() - before) / answer["answers"],
            memory=sum(peaks.process for peaks in watches),
        )


@asynccontextmanager
async def loading() -> AsyncIterator[Load]:
    """Starts clients, and ends them."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ops.bench.graph.load"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def serving(stack: Stack, names: Sequence[str]) -> AsyncIterator[dict[str, Server]]:
    """Starts servers, in the main thread, and ends them; gives them by name.

    Raises ServerFailed.
    """
    children: dict[str, list[ChildProcess]] = {}
    ports = {name: _free_port() for name in names}
    try:
        # Each takes a second to load, so all load at once.
        for name in names:
            copies = range(2 if name == PAIR else 1)
            children[name] = [ChildProcess(stack.data, f"{name}-{number}") for number in copies]
            for child in children[name]:
                await _start(child, name, ports[name])
        servers = {}
        for name in names:
            processes = [await _ready(child) for child in children[name]]
            servers[name] = Server(name, ports[name], tuple(processes))
        yield servers
    finally:
        await asyncio.gather(*(child.stop() for copies in children.values() for child in copies))


async def _start(child: ChildProcess, name: str, port: int) -> None:
    command = [sys.executable, "-m", "ops.bench.graph.serve", name, str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **VARIABLES}
    await child.start(command, cwd=ROOT, env=environment)


async def _ready(child: ChildProcess) -> psutil.Process:
    async def listens() -> bool:
        # With two on one port, an answer would not tell which of them listens already.
        try:
            return any(
                each.status == psutil.CONN_LISTEN
                for each in psutil.Process(child.pid).net_connections("tcp")
            )
        except psutil.NoSuchProcess:
            return False

    await child.ready(listens)
    return psutil.Process(child.pid)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
