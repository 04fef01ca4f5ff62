"""The real clients lose and repeat nothing, whatever ends the API under them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets
from redis.asyncio import Redis

from domain.bell import Silence
from domain.identity.tokens import Tokens
from domain.jobs.models import EventKind
from domain.work import running
from ops.bell import RedisBell
from tests import product
from tests.factories.fixtures import database, owner, rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from domain.bell import Bell
    from domain.database import Database, Row
    from domain.settings import Settings
    from tests.clients.conftest import Client, Lines
    from tests.factories.rows import Rows

__all__ = ["database", "owner", "rows"]

EVENTS = 120


class Api:
    """An API process that can be ended and started again at the same address."""

    def __init__(self, settings: Settings, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/graphql"
        self._env = product.environment(settings)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        words = [sys.executable, "-m", "ops", "api", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                words, cwd=product.ROOT, env=self._env, stdout=log, stderr=log
            )
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
            while True:
                assert self._process.poll() is None, self._log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    await http.post(self.url, json={"query": "{ __typename }"})
                    return
                await asyncio.sleep(0.1)

    async def end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        await asyncio.to_thread(self._process.wait, 20)


@pytest.fixture
async def api(settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    made = Api(settings, tmp_path / "log")
    await made.start()
    yield made
    with contextlib.suppress(ProcessLookupError):
        await made.end(signal.SIGTERM)


async def write(database: Database, job: Row, bell: Bell, message: str) -> None:
    async with running(database, job.department_id, job.created_by, bell) as work:
        work.event(job, EventKind.MESSAGE, message=message)


async def listened(lines: Lines, said: list[dict[str, Any]]) -> None:
    async for line in lines:
        said.append(line)  # noqa: PERF401 (what came is looked at meanwhile)


def messages(said: list[dict[str, Any]]) -> list[str]:
    events = [line["event"] for line in said if "event" in line]
    return [event["message"] for event in events if event["kind"] == "MESSAGE"]


async def test_nothing_is_lost_or_repeated_across_restarts_and_a_flushed_redis(
    api: Api, client: Client, settings: Settings, database: Database, rows: Rows
) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    job = await rows.job(department_id, person.id)
    token, _ = Tokens(settings).access(person.id, person.session_id)
    bell = RedisBell(settings)
    redis: Redis = Redis.from_url(settings.redis_url.get_secret_value())
    said: dict[str, list[dict[str, Any]]] = {"socket": [], "stream": []}

    async def follow(way: str) -> None:
        words = ("following.mjs", way, api.url, token, str(department_id))
        async with client(*words) as lines:
            await listened(lines, said[way])

    followers = [asyncio.create_task(follow(way)) for way in said]
    try:
        async with asyncio.timeout(30):
            while not all(any("event" in line for line in each) for each in said.values()):  # noqa: ASYNC110 (nothing signals it)
                await asyncio.sleep(0.05)
        for number in range(EVENTS):
            match number:
                case 30:
                    await api.end(signal.SIGTERM)
                case 45 | 90:
                    await api.start()
                case 60:
                    await redis.flushdb()
                case 75:
                    await api.end(signal.SIGKILL)
            # Some are committed without anybody's being told.
            await write(database, job, Silence() if number % 7 == 0 else bell, str(number))
            await asyncio.sleep(0.02)
        await write(database, job, bell, "last")
        await asyncio.wait_for(asyncio.gather(*followers), 60)
    finally:
        for follower in followers:
            follower.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        await bell.close()
        await redis.aclose()
    expected = [*map(str, range(EVENTS)), "last"]
    assert messages(said["socket"]) == expected
    assert messages(said["stream"]) == expected
    assert {"closed": 1012} in said["socket"]
    assert said["socket"].count({"connected": True}) >= 3


async def test_a_revoked_session_closes_its_socket_in_time(
    api: Api, settings: Settings, rows: Rows
) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    other = await rows.session(person.id)
    tokens = Tokens(settings)
    sockets = []
    address = api.url.replace("http", "ws", 1)
    async with contextlib.AsyncExitStack() as stack:
        for session_id in (person.session_id, other.id):
            token, _ = tokens.access(person.id, session_id)
            opened = await stack.enter_async_context(
                websockets.connect(
                    address, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
                )
            )
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            await opened.send(json.dumps(init))
            assert await opened.recv() == '{"type":"connection_ack"}'
            sockets.append(opened)
        await rows.connection.execute(
            "update sessions set revoked_at = now(), revoked_reason = 'logout' where id = $1",
            person.session_id,
        )
        began = time.monotonic()
        with pytest.raises(websockets.ConnectionClosed):
            async with asyncio.timeout(10):
                await sockets[0].recv()
        assert time.monotonic() - began < 5
        assert sockets[0].close_code == 4403
        assert sockets[0].close_reason == "The session has ended: sign in again."
        await sockets[1].send('{"type":"ping"}')
        assert await sockets[1].recv() == '{"type":"pong"}'
