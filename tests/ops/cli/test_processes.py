"""API and worker processes: how they begin, what they log, how they end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import websockets

from tests.factories.databases import connected
from tests.ops.cli.conftest import BARE, PATIENCE, ROOT
from tests.product import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|WARNING|ERROR) +[\w.]+: .+")


@contextmanager
def process(
    log: Path, words: list[str], env: dict[str, str], ready: str
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", "ops", *words], cwd=ROOT, env=BARE | env, stderr=file
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while ready not in log.read_text():
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield started
    finally:
        started.kill()
        started.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_api_process_ends_sockets_with_1012_and_itself_with_0(
    variables: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    port, log = free_port(), tmp_path / "log"
    with process(log, ["api", "--port", str(port)], variables, "Uvicorn running on") as api:
        async with websockets.connect(
            f"ws://127.0.0.1:{port}/graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
        ) as channel:
            await channel.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await channel.recv()) == {"type": "connection_ack"}
            api.send_signal(number)
            with pytest.raises(websockets.ConnectionClosed):
                await channel.recv()
            assert channel.close_code == 1012
        assert api.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_ends_with_0(
    variables: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "log"
    with process(log, ["worker"], variables, "is ready") as worker:
        worker.send_signal(number)
        assert worker.wait(PATIENCE) == 0
    assert "Traceback" not in log.read_text()


def test_logs_lines_with_time_and_level_and_no_secrets(
    variables: dict[str, str], tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "log"
    login = "mutation ($i: LoginInput!) { login(input: $i) { accessToken refreshToken } }"
    given = {"i": {"email": "sales@aetherflow.local", "password": PASSWORD}}
    with process(log, ["api", "--port", str(port)], variables, "Uvicorn running on"):
        answer = httpx.post(
            f"http://127.0.0.1:{port}/graphql",
            json={"query": login, "variables": given},
            trust_env=False,
            timeout=PATIENCE,
        )
        tokens = answer.json()["data"]["login"]
    told = log.read_text()
    assert told
    assert all(LINE.fullmatch(line) for line in told.splitlines())
    secrets = [PASSWORD, tokens["accessToken"], tokens["refreshToken"]]
    secrets += [variables["AETHERFLOW_SECRET_KEY"], variables["AWS_SECRET_ACCESS_KEY"]]
    assert not [secret for secret in secrets if secret in told]


def test_says_that_its_port_is_taken(variables: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["api", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-m", "ops", *words],
            cwd=ROOT,
            env=BARE | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr


ADDRESSES = "select ip_address::text from sessions where user_agent = $1"


@pytest.mark.parametrize("trusted", [False, True])
async def test_believes_a_proxy_only_where_it_is_named(
    variables: dict[str, str], tmp_path: Path, *, trusted: bool
) -> None:
    port, log = free_port(), tmp_path / "log"
    env = variables | ({"FORWARDED_ALLOW_IPS": "127.0.0.1"} if trusted else {})
    login = "mutation ($i: LoginInput!) { login(input: $i) { expiresAt } }"
    given = {"i": {"email": "sales@aetherflow.local", "password": PASSWORD}}
    agent = f"proxy test {trusted}"
    with process(log, ["api", "--port", str(port)], env, "Uvicorn running on"):
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            answer = await client.post(
                f"http://127.0.0.1:{port}/graphql",
                json={"query": login, "variables": given},
                headers={"x-forwarded-for": "203.0.113.7", "user-agent": agent},
            )
        assert "errors" not in answer.json()
    async with connected(variables["AETHERFLOW_OWNER_DATABASE_URL"]) as connection:
        address = await connection.fetchval(ADDRESSES, agent)
    assert address == ("203.0.113.7/32" if trusted else "127.0.0.1/32")
