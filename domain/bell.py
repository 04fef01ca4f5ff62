"""The port through which the domain tells others that something waits; Redis stands behind it.

Ringing is a hint. Whoever misses one looks for itself within a second, so neither call may fail
the work that rang.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Bell(Protocol):
    """Rings after a commit, and wakes those who wait for events."""

    async def work(self, message_id: str | None = None) -> None:
        """Says that a job waits; ``message_id`` is the message's own, for whoever traces it."""

    async def events(self) -> None:
        """Says that events were written."""

    async def heard(self, seconds: float) -> None:
        """Waits until events were written, or for at most ``seconds``."""

    async def access(self) -> None:
        """Says that what somebody may see or do has changed."""

    async def changed(self, seconds: float) -> None:
        """Waits until access has changed, or for at most ``seconds``."""


class Silence:
    """A bell that nobody hears, for tools that start nothing which can't wait a second."""

    async def work(self, message_id: str | None = None) -> None:
        """Does nothing."""

    async def events(self) -> None:
        """Does nothing."""

    async def heard(self, seconds: float) -> None:
        """Waits for all of ``seconds``."""
        await asyncio.sleep(seconds)

    async def access(self) -> None:
        """Does nothing."""

    async def changed(self, seconds: float) -> None:
        """Waits for all of ``seconds``."""
        await asyncio.sleep(seconds)
