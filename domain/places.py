"""How much a caller may hold open at once, counted in one process or for several together."""

from __future__ import annotations

from typing import Protocol

from domain.errors import RateLimited


class Places(Protocol):
    """Counts what callers hold open, such as their sockets, and refuses what is too much."""

    async def take(self, kind: str, caller: str, limit: int) -> None:
        """Takes one of ``limit`` places of a kind. Raises `RateLimited` when all are taken."""

    def leave(self, kind: str, caller: str) -> None:
        """Gives a place back."""


class ProcessPlaces:
    """Places that are counted in this process alone."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], int] = {}

    async def take(self, kind: str, caller: str, limit: int) -> None:
        """Takes a place among those of this process."""
        taken = self._taken.get((kind, caller), 0)
        if taken >= limit:
            raise too_many(kind, limit)
        self._taken[kind, caller] = taken + 1

    def leave(self, kind: str, caller: str) -> None:
        """Gives a place back."""
        left = self._taken[kind, caller] - 1
        if left:
            self._taken[kind, caller] = left
        else:
            del self._taken[kind, caller]


def too_many(kind: str, limit: int) -> RateLimited:
    """The refusal of one more."""
    return RateLimited(f"You hold {limit} {kind} open, which is the most: close some first.")
