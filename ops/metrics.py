"""Metrics of the queue as Prometheus reads them, for whoever shows the token.

The text is format 0.0.4 of https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from domain.database import Database
from domain.errors import Unavailable
from domain.jobs.queue import queue_figures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.requests import Request

    from domain.database import Row
    from domain.settings import Settings

PATH = "/metrics"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
READ_SECONDS = 5.0

GAUGES = {
    "waiting": "Jobs that could start now.",
    "delayed": "Jobs that wait for the time of another attempt.",
    "running": "Jobs that a worker has.",
    "stuck": "Running jobs whose lease ran out and that nobody took back yet.",
    "oldest_seconds": "How long the job has waited that could have started first.",
}


def exposition(rows: Iterable[Row]) -> str:
    """Writes the figures of `queue_figures`, each with its department and type of job.

    Codes of departments and types of jobs are words, so nothing in them needs escaping.
    """
    found = list(rows)
    lines: list[str] = []
    for name, told in GAUGES.items():
        metric = f"aetherflow_jobs_{name}"
        lines += [f"# HELP {metric} {told}", f"# TYPE {metric} gauge"]
        lines += [
            f'{metric}{{department="{row["department"]}",job_type="{row["job_type"]}"}} {row[name]}'
            for row in found
        ]
    return "\n".join(lines) + "\n"


class Metrics:
    """What one process tells of the queue, over a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        alone = {"database_pool_size": 1, "database_max_overflow": 0}
        self._token = settings.metrics_token
        self._database = Database(settings.model_copy(update=alone))
        self._opening = asyncio.Lock()
        self._open = False

    async def close(self) -> None:
        """Disconnects."""
        await self._database.close()

    async def answer(self, authorization: str | None) -> tuple[int, str]:
        """Gives the status of HTTP and the text: 404 where no token is set or it is another."""
        if self._token is None or authorization is None:
            return 404, "There is nothing here.\n"
        wanted = f"Bearer {self._token.get_secret_value()}"
        if not hmac.compare_digest(authorization.encode(), wanted.encode()):
            return 404, "There is nothing here.\n"
        try:
            async with self._opening:
                if not self._open:
                    await self._database.open()
                    self._open = True
            return 200, exposition(await queue_figures(self._database))
        except Unavailable as error:
            return 503, f"{error.message}\n"

    async def endpoint(self, request: Request) -> Response:
        """Answers a request of the API."""
        status, text = await self.answer(request.headers.get("authorization"))
        media_type = MEDIA_TYPE if status == 200 else "text/plain"  # noqa: PLR2004 (HTTP's own)
        return PlainTextResponse(text, status, media_type=media_type)


@asynccontextmanager
async def metrics_served(settings: Settings) -> AsyncIterator[None]:
    """Serves the metrics at the address of the settings, where there is one, for a worker."""
    if settings.metrics_address is None:
        yield
        return
    metrics = Metrics(settings)
    host, _, port = settings.metrics_address.rpartition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            async with asyncio.timeout(READ_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                writer.write(await _response(metrics, head))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host.strip("[]"), int(port), limit=1 << 13)
    try:
        yield
    finally:
        server.close()
        await metrics.close()


async def _response(metrics: Metrics, head: list[str]) -> bytes:
    method, _, rest = head[0].partition(" ")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:])
    }
    status, text = 404, "There is nothing here.\n"
    if method == "GET" and rest.partition(" ")[0] == PATH:
        status, text = await metrics.answer(headers.get("authorization"))
    body = text.encode()
    return (
        f"HTTP/1.1 {status} -\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode() + body
