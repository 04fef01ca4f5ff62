"""The clients, in a process of their own so that what they cost is nobody's time but theirs.

Orders come as lines of JSON on standard input, and each is answered by a line on standard output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import re
import sys
import time
from functools import partial
from typing import Any, cast

import uvloop

HOST = "127.0.0.1"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
GOOD = b"HTTP/1.1 200 "

LIMIT_SECONDS = 60
"""A server that has not answered so long after the time was up has hung."""


class Client(asyncio.Protocol):
    """Asks the same again and again on one connection, each time after the whole answer."""

    def __init__(self, request: bytes, until: float, seconds: list[float]) -> None:
        self._request = request
        self._until = until
        self._seconds = seconds
        self._asked = 0.0
        self._head = b""
        self._missing = 0
        self._transport: asyncio.Transport | None = None
        self.size = 0
        """The bytes of an answer's body, the same each time."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the first time."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Takes a part of an answer."""
        if not self._missing:
            data = self._body(data)
        self._missing -= len(data)
        if self._missing or self._head:
            return
        now = time.perf_counter()
        self._seconds.append(now - self._asked)
        if now < self._until:
            self._ask()
        else:
            self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails where the server hung up."""
        self._end(f"the server closed the connection: {exc}")

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()

    def _ask(self) -> None:
        assert self._transport is not None  # noqa: S101 (it is connected)
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def _body(self, data: bytes) -> bytes:
        """The part of the body in ``data``, which begins in the head of an answer."""
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        length = LENGTH.search(head + b"\r\n")
        size = int(length[1]) if length else 0
        if not head.startswith(GOOD) or size != (self.size or size) or not size:
            told = (head + body)[:500].decode(errors="replace")
            self._end(f"an answer that is unlike the others: {told}")
        self._head = b""
        self._missing = self.size = size
        return body

    def _end(self, fault: str | None) -> None:
        if not self.ended.done():
            if fault is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(ConnectionError(fault))
        self.close()


async def measured(port: int, request: bytes, clients: int, seconds: float) -> dict[str, float]:
    """Lets clients ask for so long; gives the number of answers, their seconds and percentiles.

    All that was asked is waited for. Percentiles are by the nearest rank. Raises ConnectionError
    for an answer that is not 200 or has another length than the first.
    """
    loop = asyncio.get_running_loop()
    took: list[float] = []
    began = time.perf_counter()
    made = [Client(request, began + seconds, took) for _ in range(clients)]
    try:
        async with asyncio.timeout(seconds + LIMIT_SECONDS):
            for client in made:
                await loop.create_connection(partial(_itself, client), HOST, port)
            await asyncio.gather(*(client.ended for client in made))
    finally:
        for client in made:
            client.close()
    elapsed = time.perf_counter() - began
    took.sort()
    return {
        "answers": len(took),
        "seconds": elapsed,
        "p50": took[math.ceil(len(took) * 0.5) - 1],
        "p99": took[math.ceil(len(took) * 0.99) - 1],
    }


def _itself(client: Client) -> Client:
    return client


async def serve_orders() -> None:
    """Carries out one order after the other until the input ends."""
    reader = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        try:
            answer: dict[str, Any] = await measured(
                order["port"], order["request"].encode(), order["clients"], order["seconds"]
            )
        except (OSError, TimeoutError) as error:
            answer = {"fault": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
        gc.collect()


if __name__ == "__main__":
    # What a pause of our own collector cost would look like the server's.
    gc.disable()
    uvloop.run(serve_orders())
