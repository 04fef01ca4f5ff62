"""Many sockets that follow one subscription, in a process of their own: `bench stream` starts it.

It speaks as much of WebSocket and ``graphql-transport-ws`` as it takes to listen. On its standard
output come lines of JSON: that all have got their first event, and once all that was expected has
come, or its input ends, what they received and how late it was.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import uvloop

if TYPE_CHECKING:
    from asyncio import BaseTransport, Transport

AT_ONCE = 50
"""How many handshakes are under way at a time."""

SHORT, MIDDLE = 126, 127
STAMP = b'"message":"'
SMALL_BUFFER = 4096


class Tally:
    """What all sockets of the process received."""

    def __init__(self, sockets: int, events: int) -> None:
        self._sockets = sockets
        self._expected = events
        self.started = 0
        self.closed = 0
        self.events = 0
        self.late: list[float] = []
        self.all_started = asyncio.Event()
        self.all_came = asyncio.Event()

    def first(self) -> None:
        """Counts a socket that has got its first event."""
        self.started += 1
        if self.started == self._sockets:
            self.all_started.set()

    def event(self, frame: bytes) -> None:
        """Counts an event, whose message begins with the moment it was written, in nanoseconds."""
        self.events += 1
        start = frame.find(STAMP) + len(STAMP)
        self.late.append(time.time() - int(frame[start : start + 19]) / 1e9)
        if self.events == self._expected:
            self.all_came.set()


class Listener(asyncio.Protocol):
    """One socket."""

    def __init__(self, tally: Tally, messages: list[bytes], *, reads: bool) -> None:
        self._tally = tally
        self._messages = messages
        self._reads = reads
        self._rest = b""
        self._is_open = False
        self._has_started = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: BaseTransport) -> None:
        """Asks to speak WebSocket."""
        self._transport: Transport = transport  # type: ignore[assignment]  # TCP is both ways
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            (
                "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
            ).encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Counts it."""
        self._tally.closed += 1
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        """Takes whole frames off the stream."""
        data = self._rest + data
        if not self._is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._is_open = True
            for message in self._messages:
                self._transport.write(masked(message))
        start = 0
        while len(data) - start >= 2:  # noqa: PLR2004 (the shortest frame)
            size, begin = data[start + 1], start + 2
            if size == SHORT:
                size, begin = int.from_bytes(data[begin : begin + 2]), begin + 2
            elif size == MIDDLE:
                size, begin = int.from_bytes(data[begin : begin + 8]), begin + 8
            if begin + size > len(data):
                break
            self._frame(data[begin : begin + size])
            start = begin + size
        self._rest = data[start:]

    def _frame(self, frame: bytes) -> None:
        if b'"next"' not in frame[:40]:
            return
        if self._has_started:
            self._tally.event(frame)
            return
        self._has_started = True
        self._tally.first()
        self.opened.set_result(None)
        if not self._reads:
            self._transport.pause_reading()


def masked(message: bytes) -> bytes:
    """A client's text frame; its mask of zeroes is one too (RFC 6455 5.3)."""
    size = len(message)
    head = bytes((0x81, 0x80 | size)) if size < SHORT else b"\x81\xfe" + size.to_bytes(2)
    return head + bytes(4) + message


async def listen(given: dict[str, Any]) -> None:
    """Opens ``sockets`` of which ``unread`` read nothing after their first event, and reports."""
    tally = Tally(given["sockets"], given["expected"])
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {given['token']}"}}
    subscribe = {"type": "subscribe", "id": "1", "payload": {"query": given["query"]}}
    messages = [json.dumps(each).encode() for each in (init, subscribe)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def opened(number: int) -> None:
        async with gate:
            reads = number >= given["unread"]
            _, listener = await asyncio.get_running_loop().create_connection(
                lambda: Listener(tally, messages, reads=reads),
                sock=_connected(given["port"], reads=reads),
            )
            await listener.opened

    await asyncio.gather(*(opened(number) for number in range(given["sockets"])))
    await tally.all_started.wait()
    print(json.dumps({"started": tally.started}), flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin, tally.all_came.set)
    await tally.all_came.wait()
    late = sorted(tally.late)
    quantiles = {
        str(part): late[min(len(late) - 1, int(len(late) * part))] for part in (0.5, 0.99) if late
    }
    print(
        json.dumps({"events": tally.events, "late": quantiles, "closed": tally.closed}), flush=True
    )


def _connected(port: int, *, reads: bool) -> socket.socket:
    made = socket.socket()
    if not reads:
        # The less the kernel takes in for it, the sooner the server has to.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)  # noqa: FBT003 (the socket's own word)
    return made


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(listen(json.loads(sys.stdin.readline())))
