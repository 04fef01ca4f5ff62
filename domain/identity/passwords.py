"""Passwords as bcrypt hashes, computed beside the event loop and never while a connection is held.

One hash takes about a quarter of a second of one core, on purpose. Two threads compute them, so
that a wave of sign-ins can't take the machine away from everything else.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import bcrypt

from domain.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

COST = 12
SHORTEST_BYTES = 8
LONGEST_BYTES = 72
"""bcrypt reads no further than this, so more would only look safer."""

THREADS = 2
MOST_WAITING = 64
"""How many may wait for a thread: about eight seconds of work."""

# Of a random password that nobody kept, at the same cost: whoever is unknown costs as much.
STAND_IN = b"$2b$12$maANODuaSNpOigxEGYhTvO2Pb/zr1CY8uHGj2bUwJLJhY/4WmFZ6e"


class _Threads:
    """The threads, and how many wait for them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="bcrypt")
        self._inside = 0

    async def run(self, compute: Callable[[], T]) -> T:
        if self._inside >= THREADS + MOST_WAITING:
            message = "Too many passwords are being checked at once. Try again in a few seconds."
            raise Unavailable(message)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, compute)
        finally:
            self._inside -= 1


_threads = _Threads()


def check_password(password: str, path: str = "password") -> bytes:
    """Gives the bytes of a password that may be set; ``path`` names its field.

    Raises `InvalidInput` outside 8 to 72 bytes of UTF-8, and for a NUL.
    """
    encoded = password.encode(errors="surrogatepass")
    if not SHORTEST_BYTES <= len(encoded) <= LONGEST_BYTES:
        message = (
            f"A password has {SHORTEST_BYTES} to {LONGEST_BYTES} bytes; this one has "
            f"{len(encoded)}. Letters beyond ASCII take two to four bytes each."
        )
        raise InvalidInput.at(path, message, "length")
    if b"\0" in encoded:
        raise InvalidInput.at(path, "A password can't hold the character NUL.")
    return encoded


async def hash_password(password: str, path: str = "password") -> str:
    """Gives the bcrypt hash of a password. Raises as `check_password`, and `Unavailable`."""
    encoded = check_password(password, path)
    hashed = await _threads.run(lambda: bcrypt.hashpw(encoded, bcrypt.gensalt(COST)))
    return hashed.decode()


async def verify(password: str, hashed: str | None) -> bool:
    """Whether a password is the one that was hashed, after the same work whatever is wrong.

    ``hashed`` is None for an unknown user or an account without a password. A password that could
    never have been set is compared too, and is never right. Raises `Unavailable` when too many
    wait.
    """
    encoded = password.encode(errors="surrogatepass")
    possible = SHORTEST_BYTES <= len(encoded) <= LONGEST_BYTES and b"\0" not in encoded
    given = encoded if possible else b"impossible"
    against = hashed.encode() if hashed is not None else STAND_IN
    same = await _threads.run(lambda: bcrypt.checkpw(given, against))
    return same and possible and hashed is not None
