"""A window that moves over a file, so that a file of any size takes the same memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engines.limits import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES = 1 << 23


class Window:
    """The part of a file that is in memory, from `base` on."""

    def __init__(self, path: Path, start: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self.base = start
        self.data = b""
        self.ended = False

    def fill(self, position: int) -> bool:
        """Makes `position` the base, with more than a longest record behind it if there is more.

        Gives False at the end of the file.
        """
        self.data = self.data[position - self.base :]
        self.base = position
        while not self.ended and len(self.data) <= MAX_RECORD_BYTES:
            chunk = self._file.read(READ_BYTES)
            self.ended = not chunk
            self.data += chunk
        return bool(self.data)

    def skip_line(self, at: int, newline: bytes) -> int:
        """Reads on to behind the line break after `at`, keeping nothing before it.

        Gives where that is in the file.
        """
        found = self.data.find(newline, at)
        while found < 0 and not self.ended:
            self.base += len(self.data)
            self.data = self._file.read(READ_BYTES)
            self.ended = not self.data
            found = self.data.find(newline)
        return self.base + (found + 1 if found >= 0 else len(self.data))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
