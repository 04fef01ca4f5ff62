"""A small proxy in front of a server, through which faults of the network and of S3 are made."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\n"
    b"Content-Length: 59\r\nConnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Busy</Message></Error>"
)
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER without lingering: the close is a reset."""


class Proxy:
    """Passes connections on to a port, until it is told to do otherwise."""

    def __init__(self, port_of: Callable[[], int]) -> None:
        self._port_of = port_of
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._busy = False
        self.port = 0
        self.answered_busy = 0
        self.held = 0
        self.accepted = 0

    async def start(self) -> None:
        """Listens on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends everything."""
        self._passing.set()
        if self._server is not None:
            self._server.close()
        self.reset()

    def reset(self) -> int:
        """Resets every connection, and gives how many clients had one."""
        count = 0
        for writer in list(self._open):
            with contextlib.suppress(OSError):
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.transport.abort()
            count += 1
        return count // 2

    def be_busy(self) -> None:
        """From now on answers every request of HTTP itself, with 503."""
        self._busy = True
        self.reset()

    def hang(self) -> None:
        """From now on takes connections and bytes, and passes nothing on."""
        self._passing.clear()

    def recover(self) -> None:
        """Passes everything on again."""
        self._busy = False
        self._passing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        try:
            if self._busy:
                await self._refuse(reader, writer)
                return
            await self._held()
            upstream = await asyncio.open_connection("127.0.0.1", self._port_of())
            self._open.add(upstream[1])
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, upstream[1]))
                    group.create_task(self._pass(upstream[0], writer))
            finally:
                self._open.discard(upstream[1])
                upstream[1].transport.abort()
        except (OSError, BaseExceptionGroup):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1 << 16):
            await self._held()
            writer.write(chunk)
            await writer.drain()
        # One side has ended, and with it the connection.
        await asyncio.sleep(0)
        raise ConnectionResetError

    async def _held(self) -> None:
        if not self._passing.is_set():
            self.held += 1
            await self._passing.wait()

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(BUSY)
        await writer.drain()
        self.answered_busy += 1
        # The rest of the request is read, so that its sender gets to the answer.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while await reader.read(1 << 16):
                    continue
