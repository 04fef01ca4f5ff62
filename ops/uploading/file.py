"""The file that is uploaded: its hash, and its bytes in pieces."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    Told = Callable[[int], None]
    """Told how many further bytes are done."""

PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine; ``size`` in bytes, ``sha256`` in hexadecimal."""

    path: Path
    size: int
    sha256: str


def read_file(path: Path, told: Told) -> LocalFile:
    """Reads a file through for its hash. Raises `CommandFailed` for what can't be uploaded."""
    digest = hashlib.sha256()
    size = 0
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
                told(len(piece))
    except OSError as error:
        message = f"{path} can't be read: {error.strerror or error}."
        raise CommandFailed(message) from error
    if not size:
        message = f"{path} is empty: there is nothing to upload."
        raise CommandFailed(message)
    return LocalFile(path, size, digest.hexdigest())


async def pieces(path: Path, start: int, size: int, told: Told) -> AsyncIterator[bytes]:
    """Gives ``size`` bytes from ``start`` on, piece by piece, telling of each once it is taken.

    Raises `CommandFailed` when the file has become shorter.
    """
    descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY)
    try:
        end = start + size
        while start < end:
            wanted = min(PIECE_BYTES, end - start)
            piece = await asyncio.to_thread(os.pread, descriptor, wanted, start)
            if not piece:
                message = f"{path} has become shorter while it was uploaded. Upload it again."
                raise CommandFailed(message)
            yield piece
            start += len(piece)
            told(len(piece))
    finally:
        os.close(descriptor)
