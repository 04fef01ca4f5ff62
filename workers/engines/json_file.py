"""Opens JSON documents and JSON lines.

A document is an array of objects, one object, or objects one after another. Of JSON lines each line
is an object: a line that is not is rejected. A document that breaks off is refused as a whole,
because nothing tells where its next record would begin.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.engines.documents import Item, Number, collect
from workers.engines.encoding import DAMAGED, Encoding, detect_encoding, transcode
from workers.engines.errors import FileError, FileErrorCode
from workers.engines.limits import (
    MAX_DOCUMENT_CHARACTERS,
    MAX_RECORD_BYTES,
    MAX_REJECT_CHARACTERS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engines.progress import Progress
    from workers.engines.table import Table
    from workers.engines.task import Request

SOLID = re.compile(r"[^ \t\n\r]")
TEXT = Path("text.utf8")
READ_CHARACTERS = 1 << 20

DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=Number)
"""Keeps numbers as they are written: no digit of an amount is lost to floating point."""


def open_json(request: Request) -> Table:
    """Collects the objects of a document or of lines. Raises `FileError`."""
    progress = request.progress
    progress.stage("Finding the encoding", 2, 10)
    encoding = detect_encoding(request.input, progress.reach)
    path, nuls = request.input, 0
    if not encoding.direct:
        progress.stage("Converting to UTF-8", 10, 15)
        path, nuls = TEXT, transcode(request.input, TEXT, encoding, progress.reach)
    start = encoding.mark_bytes if encoding.direct else 0
    lines = request.file_type == "jsonl" and not _is_document(path, start)
    progress.stage("Reading records", 15, 50)

    def items() -> Iterator[Item]:
        if lines:
            return _lines(path, start, progress)
        return _Document(path, start, progress).items()

    table, replaced = collect(items)
    table.details["replaced_nul_characters"] = nuls + replaced
    table.details["dialect"] = _document(encoding)
    return table


def _document(encoding: Encoding) -> dict[str, Any]:
    return {"encoding": encoding.name, "byte_order_mark": encoding.mark_bytes > 0}


def _is_document(path: Path, start: int) -> bool:
    """Whether lines are claimed, but the first is only the beginning of an array."""
    with path.open("rb") as file:
        file.seek(start)
        first = file.readline(MAX_RECORD_BYTES).strip()
        while not first and file.tell() < path.stat().st_size:
            first = file.readline(MAX_RECORD_BYTES).strip()
    return first.startswith(b"[") and not first.endswith(b"]")


def _lines(path: Path, start: int, progress: Progress) -> Iterator[Item]:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        number = 0
        while line := file.readline(MAX_RECORD_BYTES + 1):
            number += 1
            if number % 1000 == 0:
                progress.reach(file.tell() / size)
            if len(line) > MAX_RECORD_BYTES:
                text = line[: MAX_REJECT_CHARACTERS * 4].decode("utf-8", "replace")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_RECORD_BYTES)
                message = f"More than {MAX_RECORD_BYTES} bytes in one record."
                yield Item(number, None, text, "RECORD_TOO_LONG", message)
            elif line.strip():
                yield _line_item(number, line.decode("utf-8", "replace"))


def _line_item(number: int, text: str) -> Item:
    if DAMAGED in text:
        message = "It holds bytes that the file's encoding does not have."
        return Item(number, None, text, "BAD_ENCODING", message)
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return Item(number, None, text, "NOT_JSON", f"It is not JSON: {error}.")
    return _item(number, value, text)


def _item(number: int, value: object, text: str) -> Item:
    if isinstance(value, dict):
        return Item(number, value, text)
    return Item(number, None, text, "NOT_AN_OBJECT", "It is not an object with named values.")


class _Document:
    """A JSON document that is read piece by piece."""

    def __init__(self, path: Path, start: int, progress: Progress) -> None:
        self._path, self._start, self._progress = path, start, progress
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text, self._at, self._line, self._counted = "", 0, 1, 0
        self._ended = False

    def items(self) -> Iterator[Item]:
        """Gives the objects at the top, or in the array that is there."""
        self._size = self._path.stat().st_size
        with self._path.open("rb") as self._file:
            self._file.seek(self._start)
            in_array = self._skip() == "["
            if in_array:
                self._at += 1
                if self._skip() == "]":
                    self._at += 1
                    in_array = False
            while self._skip():
                yield self._value()
                following = self._skip()
                if in_array and following == ",":
                    self._at += 1
                    if not self._skip():
                        raise self._broken("it ends behind a comma")
                elif in_array and following == "]":
                    self._at += 1
                    in_array = False
                    if self._skip():
                        raise self._broken("more text follows the array")
                elif in_array:
                    raise self._broken("a comma or ] is missing" if following else "it breaks off")
            if in_array:
                raise self._broken("it breaks off")

    def _value(self) -> Item:
        wanted = READ_CHARACTERS
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise self._broken("its values are nested too deeply") from error
            except ValueError as error:
                if self._ended or len(self._text) - self._at > MAX_DOCUMENT_CHARACTERS:
                    raise self._broken(str(error)) from error
            else:
                if end < len(self._text) or self._ended:
                    break  # Else a number may go on in what was not read yet.
            wanted *= 2
            self._read(wanted)
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        text = self._text[self._at : min(end, self._at + MAX_REJECT_CHARACTERS)]
        self._at = end
        return _item(self._line, value, text)

    def _skip(self) -> str:
        """Goes to the next character that is no white space, and gives it; empty at the end."""
        while True:
            found = SOLID.search(self._text, self._at)
            self._at = found.start() if found else len(self._text)
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._read(READ_CHARACTERS)

    def _read(self, wanted: int) -> None:
        self._line += self._text.count("\n", self._counted, self._at)
        self._text, self._at, self._counted = self._text[self._at :], 0, 0
        while len(self._text) < wanted and not self._ended:
            chunk = self._file.read(READ_CHARACTERS)
            self._ended = not chunk
            self._text += self._decoder.decode(chunk, final=not chunk)
        self._progress.reach(self._file.tell() / self._size)

    def _broken(self, why: str) -> FileError:
        line = self._line + self._text.count("\n", self._counted, self._at)
        return FileError(
            FileErrorCode.UNREADABLE, f"The JSON document can't be read from line {line} on: {why}."
        )
