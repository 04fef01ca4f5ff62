"""What waits to be sent to one client, bounded, so that a slow reader can't fill the memory."""

from __future__ import annotations

import asyncio
from collections import deque


class Outbox:
    """A queue of encoded messages between a client's operations and its connection.

    It is full at ``messages`` messages or ``size`` bytes, whichever comes first, but
    always takes one message, however long. While it is full, ``put`` waits, so an operation
    produces no faster than its client reads.
    """

    def __init__(self, messages: int, size: int) -> None:
        self._messages = messages
        self._size = size
        self._waiting: deque[tuple[bytes, object]] = deque()
        self._waiting_size = 0
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether the next message has to wait."""
        return len(self._waiting) >= self._messages or self._waiting_size >= self._size

    def offer(self, message: bytes, sender: object = None) -> bool:
        """Adds a message unless it is full; tells whether it did."""
        if self.full:
            return False
        self._waiting.append((message, sender))
        self._waiting_size += len(message)
        self._readable.set()
        return True

    async def put(self, message: bytes, sender: object = None) -> None:
        """Adds a message as soon as there is room; ``sender`` is what ``drop`` knows it by."""
        while not self.offer(message, sender):
            self._writable.clear()
            await self._writable.wait()

    async def put_last(self, message: bytes, sender: object = None) -> None:
        """Adds a message as soon as no other waits: for what needs no room here until it is sent.

        What a log keeps can be read from there when the client has read what came before.
        """
        while self._waiting:
            self._writable.clear()
            await self._writable.wait()
        self.offer(message, sender)

    async def get(self) -> bytes:
        """Takes the oldest message out, waiting for one."""
        while not self._waiting:
            self._readable.clear()
            await self._readable.wait()
        message, _ = self._waiting.popleft()
        self._waiting_size -= len(message)
        self._writable.set()
        return message

    def drop(self, sender: object) -> None:
        """Forgets what a sender has not got sent yet: its client asked for no more of it."""
        kept = [entry for entry in self._waiting if entry[1] is not sender]
        if len(kept) < len(self._waiting):
            self._waiting = deque(kept)
            self._waiting_size = sum(len(message) for message, _ in kept)
            self._writable.set()
