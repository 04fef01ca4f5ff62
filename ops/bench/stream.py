"""`bench stream`: what it costs to deliver events to many sockets, beside two other servers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psutil
from sqlalchemy import func, insert, text

from domain.database import Database, Hold
from domain.jobs.models import EventKind, Job, JobType
from domain.work import running
from ops.access import LocalAccount
from ops.bell import RedisBell
from ops.bench.rows import Row, compared
from ops.bench.stack import ACCOUNT, DEPARTMENT, ROOT, running_stack
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from ops.bench.stack import Stack

BENCH = "stream"
LIMIT_SECONDS = 120
SETTLE_SECONDS = 2.0
UNREAD_PART = 10
LONG_MESSAGE = 8000
"""Characters of a message where some don't read: short ones would all fit into what is kept."""

QUERY = (
    f'subscription {{ jobEvents(department: "{DEPARTMENT}") '
    "{ cursor kind status progress message } }"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run gave: seconds of the server's CPU, events that arrived, how late, and memory."""

    cpu: float
    events: int
    late: dict[str, float]
    resident: int

    @property
    def microseconds(self) -> float:
        """The server's CPU for each event that arrived."""
        return self.cpu * 1e6 / self.events


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is measured, and what tells it an event."""

    pid: int
    port: int
    token: str
    tell: Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Load:
    """How many sockets, of which some don't read, get how many events of what length how often."""

    sockets: int
    events: int
    pause: float
    unread: int = 0
    length: int = 0


METRICS: tuple[tuple[str, str, Callable[[Measured], float]], ...] = (
    ("server CPU per delivered event", "µs", lambda run: run.microseconds),
    ("late, median", "ms", lambda run: run.late["0.5"] * 1e3),
    ("late, 99th percentile", "ms", lambda run: run.late["0.99"] * 1e3),
)


def bench_stream(sockets: int, crowd: int, rounds: int) -> list[Row]:
    """Delivers events to ``sockets`` of each server, then to a ``crowd`` that partly reads."""
    return asyncio.run(_bench(sockets, crowd, rounds))


async def _bench(sockets: int, crowd: int, rounds: int) -> list[Row]:
    # One account holds all of them here.
    for name in ("SOCKETS", "SUBSCRIPTIONS"):
        os.environ[f"AETHERFLOW_{name}_PER_USER"] = str(sockets + crowd)
    async with running_stack() as stack, _told(stack) as tell:
        token = await LocalAccount(stack.settings, ACCOUNT).token()
        assert stack.api.pid is not None  # noqa: S101 (it answers)
        ours = Server(stack.api.pid, int(stack.url.rpartition(":")[2]), token, tell)
        return [
            *await _compared(ours, sockets, rounds),
            *await _crowded(ours, crowd, rounds),
        ]


async def _compared(ours: Server, sockets: int, rounds: int) -> list[Row]:
    mine: list[Measured] = []
    others: dict[str, list[Measured]] = {"raw-send": [], "stock-strawberry": []}
    for _ in range(rounds):
        mine.append(await _run(ours, Load(sockets, events=40, pause=0.1)))
        for kind, runs in others.items():
            slow = kind == "stock-strawberry"
            load = Load(sockets, events=8 if slow else 40, pause=0.6 if slow else 0.1)
            async with _reference(kind) as other:
                runs.append(await _run(other, load))
    case = f"{sockets} sockets"
    return [
        compared(BENCH, case, metric, _median(mine, of), unit, kind, _median(runs, of))
        for kind, runs in others.items()
        for metric, unit, of in METRICS
    ]


async def _crowded(ours: Server, crowd: int, rounds: int) -> list[Row]:
    unread = crowd // UNREAD_PART
    resident = psutil.Process(ours.pid).memory_info().rss
    alone: list[Measured] = []
    beside: list[Measured] = []
    for _ in range(rounds):
        load = Load(crowd - unread, events=20, pause=0.5, length=LONG_MESSAGE)
        alone.append(await _run(ours, load))
        beside.append(await _run(ours, replace(load, sockets=crowd, unread=unread)))
    case = f"{crowd} sockets, {unread} of them not reading"
    reference = f"{crowd - unread} sockets, all reading"
    rows = [
        compared(BENCH, case, metric, _median(beside, of), unit, reference, _median(alone, of))
        for metric, unit, of in METRICS
    ]
    for name, runs in ((reference, alone), (case, beside)):
        peak = max(run.resident for run in runs)
        grown = (peak - resident) / 1e6
        rows.append(Row(BENCH, name, "server memory, above that of no sockets", grown, "MB"))
    return rows


def _median(runs: list[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(of(run) for run in runs)


async def _run(server: Server, load: Load) -> Measured:
    """Opens sockets in a process of their own and tells them events, one after each pause."""
    process = psutil.Process(server.pid)
    given = {
        "port": server.port,
        "token": server.token,
        "query": QUERY,
        "sockets": load.sockets,
        "unread": load.unread,
        "expected": (load.sockets - load.unread) * load.events,
    }
    async with _listeners(given) as report:
        await asyncio.sleep(SETTLE_SECONDS)
        begun = process.cpu_times()
        resident = 0
        for _ in range(load.events):
            at = time.monotonic()
            await server.tell(f"{time.time_ns()} {'x' * load.length}".strip())
            resident = max(resident, process.memory_info().rss)
            await asyncio.sleep(max(0.0, load.pause - (time.monotonic() - at)))
        found = await report()
        ended = process.cpu_times()
    if found["closed"]:
        message = f"{found['closed']} of {load.sockets} sockets were closed"
        raise CommandFailed(message)
    cpu = ended.user + ended.system - begun.user - begun.system
    return Measured(cpu, found["events"], found["late"], resident)


@asynccontextmanager
async def _listeners(
    given: dict[str, Any],
) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops.bench.listeners",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None  # noqa: S101 (it is a pipe)
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    stdin, stdout = process.stdin, process.stdout

    async def report() -> dict[str, Any]:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                line = await stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            message = f"the sockets did not get everything within {LIMIT_SECONDS} s"
            raise CommandFailed(message)
        found: dict[str, Any] = json.loads(line)
        return found

    try:
        stdin.write(json.dumps(given).encode() + b"\n")
        await report()
        yield report
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def _reference(kind: str) -> AsyncIterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops.bench.broadcasts",
        kind,
        str(port),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        # It says a page about each socket that leaves.
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None  # noqa: S101 (it is a pipe)
    stdin = process.stdin

    async def tell(message: str) -> None:
        stdin.write(message.encode() + b"\n")
        await stdin.drain()

    try:
        await _listens(port)
        yield Server(process.pid, port, "", tell)
    finally:
        stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


@asynccontextmanager
async def _told(stack: Stack) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Makes a job that nobody runs, and gives what writes an event of it and rings."""
    database, bell = Database(stack.settings), RedisBell(stack.settings)
    await database.open()
    try:
        user_id, department_id = await _place(database)
        async with running(database, department_id, user_id, bell) as work:
            job = await work.row(
                insert(Job)
                .values(
                    department_id=department_id,
                    created_by=user_id,
                    job_type=JobType.ETL,
                    available_at=func.now() + text("interval '1 day'"),
                )
                .returning(*Job.__table__.columns),
                Job,
            )
        assert job is not None  # noqa: S101 (an insert that does not fail returns its row)

        async def tell(message: str) -> None:
            async with running(database, department_id, user_id, bell) as work:
                work.event(job, EventKind.MESSAGE, message=message)

        yield tell
    finally:
        await database.close()
        await bell.close()


async def _place(database: Database) -> tuple[UUID, UUID]:
    async with database.transaction("begin", Hold()) as (connection, _):
        user = await connection.fetchrow("select id from login_lookup($1)", ACCOUNT)
        await connection.fetchval("select count(*) from begin_scope($1, null, null)", user.id)
        department = await connection.fetchval(
            "select id from departments where code = $1", DEPARTMENT
        )
    return user.id, department
