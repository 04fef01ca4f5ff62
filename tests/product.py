"""The whole product as its users meet it: an API process and a worker process on real servers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import websockets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from domain.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"
READY_SECONDS = 60
LOGIN = """
mutation ($email: String!, $password: String!) {
  login(input: {email: $email, password: $password}) { accessToken refreshToken expiresAt }
}
"""


@dataclass
class Product:
    """Addresses of the running product, and what its clients do."""

    url: str
    settings: Settings
    worker: subprocess.Popen[bytes]
    api: subprocess.Popen[bytes]

    async def ask(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        department: str | None = None,
    ) -> dict[str, Any]:
        """Sends an operation and gives the whole answer."""
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.post(
                f"{self.url}/graphql",
                json={"query": query, "variables": variables or {}},
                headers=headers(token, department),
            )
        answered: dict[str, Any] = answer.json()
        return answered

    async def data(
        self, query: str, variables: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Sends an operation that must succeed, and gives its data."""
        answer = await self.ask(query, variables, **options)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def refusal(
        self, query: str, variables: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Sends an operation that must be refused, and gives its first error."""
        answer = await self.ask(query, variables, **options)
        assert answer.get("errors"), answer
        error: dict[str, Any] = answer["errors"][0]
        return error

    async def token(self, email: str) -> str:
        """Signs in and gives the access token."""
        found = await self.data(LOGIN, {"email": email, "password": PASSWORD})
        token: str = found["login"]["accessToken"]
        return token

    async def follow(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str
    ) -> AsyncIterator[dict[str, Any]]:
        """Subscribes over a socket and gives each event's payload until the stream ends."""
        address = f"{self.url}/graphql".replace("http", "ws", 1)
        async with websockets.connect(
            address, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
        ) as channel:
            init = {"authorization": f"Bearer {token}"}
            await channel.send(json.dumps({"type": "connection_init", "payload": init}))
            assert json.loads(await channel.recv())["type"] == "connection_ack"
            payload = {"query": query, "variables": variables or {}}
            await channel.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            async for text in channel:
                message = json.loads(text)
                if message["type"] == "complete":
                    return
                if message["type"] == "error":
                    yield {"errors": message["payload"]}
                    return
                if message["type"] == "next":
                    yield message["payload"]


def headers(token: str | None, department: str | None = None) -> dict[str, str]:
    """The headers of a caller."""
    made = {"accept": "application/json"}
    if token is not None:
        made["authorization"] = f"Bearer {token}"
    if department is not None:
        made["x-department"] = department
    return made


def environment(settings: Settings) -> dict[str, str]:
    """The variables that make a process use these settings."""
    made = dict(os.environ)
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None or value == type(settings).model_fields[name].default:
            continue
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        made[f"AETHERFLOW_{name.upper()}"] = (
            json.dumps(text) if isinstance(text, (tuple, list)) else str(text)
        )
    return made


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Product]:
    """Starts the API and a worker, and ends both."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = environment(settings)
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="aetherflow-product-"))
        log = Path(home) / "log"
        file = stack.enter_context(log.open("wb"))

        def start(*words: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "ops", *words], cwd=ROOT, env=env, stdout=file, stderr=file
            )
            stack.callback(end, process)
            return process

        worker = start("worker")
        api = start("api", "--host", "127.0.0.1", "--port", str(port))
        product = Product(f"http://127.0.0.1:{port}", settings, worker, api)
        wait_until_ready(product, log)
        yield product


def wait_until_ready(product: Product, log: Path) -> None:
    """Waits until the API executes a query."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert product.api.poll() is None, log.read_text()
        assert product.worker.poll() is None, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            answer = httpx.post(
                f"{product.url}/graphql", json={"query": "{__typename}"}, trust_env=False
            )
            if answer.is_success:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process as an operator would, and for good if it does not listen."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
