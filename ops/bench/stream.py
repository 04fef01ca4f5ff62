"""`bench stream`: what it costs to deliver events to many sockets, beside two other servers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
READY_SECONDS = 120
SETTLE_SECONDS = 2.0
UNREAD_PART = 10
LONG_MESSAGE = 4000
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


def bench_stream(sockets: int, crowd: int, rounds: int) -> list[Row]:
    """Delivers events to ``sockets`` of each server, then to a ``crowd`` of which some don't read."""
    return asyncio.run(_bench(sockets, crowd, rounds))


async def _bench(sockets: int, crowd: int, rounds: int) -> list[Row]:
    # One account holds all of them here.
    for name in ("SOCKETS", "SUBSCRIPTIONS"):
        os.environ[f"AETHERFLOW_{name}_PER_USER"] = str(sockets + crowd)
    async with running_stack() as stack, _told(stack) as tell:
        pid, port = stack.api.pid, int(stack.url.rpartition(":")[2])
        assert pid is not None  # noqa: S101 (it answers)
        token = await LocalAccount(stack.settings, ACCOUNT).token()
        rows: list[Row] = []
        ours = await _run(pid, port, token, tell, sockets=sockets, events=40 * rounds, pause=0.1)
        for kind, events, pause in (("raw-send", 40, 0.1), ("stock-strawberry", 8, 0.6)):
            async with _reference(kind) as (other_pid, other_port, other_tell):
                other = await _run(
                    other_pid,
                    other_port,
                    "",
                    other_tell,
                    sockets=sockets,
                    events=events * rounds,
                    pause=pause,
                )
            rows += _beside(f"{sockets} sockets", ours, kind, other)
        unread = crowd // UNREAD_PART
        before = psutil.Process(pid).memory_info().rss
        many = {"events": 30 * rounds, "pause": 0.4, "length": LONG_MESSAGE}
        alone = await _run(pid, port, token, tell, sockets=crowd - unread, **many)
        beside = await _run(pid, port, token, tell, sockets=crowd, unread=unread, **many)
    case = f"{crowd} sockets, {unread} of them not reading"
    reference = f"{crowd - unread} sockets, all reading"
    rows += [
        compared(
            BENCH,
            case,
            f"late, {name}",
            beside.late[part] * 1e3,
            "ms",
            reference,
            alone.late[part] * 1e3,
        )
        for name, part in (("median", "0.5"), ("99th percentile", "0.99"))
    ]
    for name, run in ((reference, alone), (case, beside)):
        grown = run.resident - before
        rows.append(Row(BENCH, name, "server memory, peak", run.resident / 1e6, "MB"))
        rows.append(Row(BENCH, name, "server memory, grown by", grown / 1e6, "MB"))
    return rows


def _beside(case: str, ours: Measured, kind: str, other: Measured) -> list[Row]:
    made = [
        compared(
            BENCH,
            case,
            "server CPU per delivered event",
            ours.microseconds,
            "µs",
            kind,
            other.microseconds,
        )
    ]
    for name, part in (("median", "0.5"), ("99th percentile", "0.99")):
        value, reference = ours.late[part] * 1e3, other.late[part] * 1e3
        made.append(compared(BENCH, case, f"late, {name}", value, "ms", kind, reference))
    return made


async def _run(
    pid: int,
    port: int,
    token: str,
    tell: Callable[[str], Awaitable[None]],
    *,
    sockets: int,
    events: int,
    pause: float,
    unread: int = 0,
    length: int = 0,
) -> Measured:
    """Opens sockets in a process of their own and tells them events, one each ``pause`` seconds."""
    server = psutil.Process(pid)
    given = {"port": port, "token": token, "query": QUERY, "sockets": sockets, "unread": unread}
    async with _listeners(given) as (report, close):
        await asyncio.sleep(SETTLE_SECONDS)
        begun = server.cpu_times()
        resident = 0
        for _ in range(events):
            at = time.monotonic()
            await tell(f"{time.time_ns()} {'x' * length}".strip())
            resident = max(resident, server.memory_info().rss)
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - at)))
        await asyncio.sleep(SETTLE_SECONDS)
        ended = server.cpu_times()
        close()
        found = await report()
    expected = (sockets - unread) * events
    if found["events"] != expected:
        message = f"{found['events']} of {expected} events arrived"
        raise CommandFailed(message)
    cpu = ended.user + ended.system - begun.user - begun.system
    return Measured(cpu, found["events"], found["late"], resident)


@asynccontextmanager
async def _listeners(
    given: dict[str, Any],
) -> AsyncIterator[tuple[Callable[[], Awaitable[dict[str, Any]]], Callable[[], None]]]:
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
        async with asyncio.timeout(READY_SECONDS):
            line = await stdout.readline()
        if not line:
            message = "the process with the sockets failed"
            raise CommandFailed(message)
        found: dict[str, Any] = json.loads(line)
        return found

    try:
        stdin.write(json.dumps(given).encode() + b"\n")
        await report()
        yield report, stdin.close
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def _reference(
    kind: str,
) -> AsyncIterator[tuple[int, int, Callable[[str], Awaitable[None]]]]:
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
    )
    assert process.stdin is not None  # noqa: S101 (it is a pipe)
    stdin = process.stdin

    async def tell(message: str) -> None:
        stdin.write(message.encode() + b"\n")
        await stdin.drain()

    try:
        await _listens(port)
        yield process.pid, port, tell
    finally:
        stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listens(port: int) -> None:
    async with asyncio.timeout(READY_SECONDS):
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
