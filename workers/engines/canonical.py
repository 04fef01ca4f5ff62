"""Writes records as delimited text that leaves nothing to interpret.

Every value is quoted and NULL alone is nothing at all, so an empty text stays one; records end with
a line feed. What is not delimited text by itself (JSON, XML, workbooks) is typed through this form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from workers.engines.encoding import REPLACEMENT
from workers.engines.limits import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

BUFFER_RECORDS = 1000


class CanonicalFile:
    """A file of records that all have `width` values; a context that closes it."""

    def __init__(self, path: Path, width: int) -> None:
        self._file = path.open("wb")
        self._width = width
        self._lines: list[bytes] = []
        self.records = 0
        self.replaced_nuls = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._file.close()

    def write(self, values: Sequence[str | None]) -> bool:
        """Writes one record, padded to the width; False, and nothing written, if it is too long.

        NUL characters are replaced, and so are surrogates on their own, which UTF-8 can't hold.
        """
        line = ",".join(
            ["" if value is None else '"' + value.replace('"', '""') + '"' for value in values]
        )
        if "\0" in line:
            self.replaced_nuls += line.count("\0")
            line = line.replace("\0", REPLACEMENT)
        encoded = line.encode("utf-8", "replace") + b"," * (self._width - len(values)) + b"\n"
        return self._add(encoded)

    def write_bytes(self, values: Sequence[bytes | None]) -> bool:
        """Writes one record of values that are UTF-8 already, like `write`."""
        return self._add(
            b",".join(
                [
                    b"" if each is None else b'"' + each.replace(b'"', b'""') + b'"'
                    for each in values
                ]
            )
            + b"\n"
        )

    def _add(self, line: bytes) -> bool:
        if len(line) > MAX_RECORD_BYTES:
            return False
        self._lines.append(line)
        self.records += 1
        if len(self._lines) >= BUFFER_RECORDS:
            self._flush()
        return True

    def _flush(self) -> None:
        self._file.write(b"".join(self._lines))
        self._lines.clear()
