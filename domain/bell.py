"""The port through which the domain tells others that something waits; Redis stands behind it.

Both calls are hints. Whoever misses one looks for itself within a second, so neither may fail the
work that rang.
"""

from __future__ import annotations

from typing import Protocol


class Bell(Protocol):
    """Rings after a commit."""

    async def work(self) -> None:
        """Says that a job waits."""

    async def events(self) -> None:
        """Says that events were written."""


class Silence:
    """A bell that nobody hears, for tools that start nothing which can't wait a second."""

    async def work(self) -> None:
        """Does nothing."""

    async def events(self) -> None:
        """Does nothing."""
