"""What a file is by its content, whatever its name claims."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from workers.engines.encoding import wide_encoding
from workers.engines.errors import FileError, FileErrorCode

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE_BYTES = 1 << 16

# First bytes that no text begins with, and what they are (each format's own documentation).
BINARY = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or an Office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh91AY&SY", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x7fELF", "a program"),
    (b"PAR1", "a Parquet file"),
    (b"PARE", "an encrypted Parquet file"),
)
WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
MARKUP = (
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<?xml", "an XML document"),
)

# Control characters that tables do hold: white space, and the separators of ASCII and Hive.
HARMLESS_CONTROLS = frozenset(b"\t\n\v\f\r\x01\x1a\x1b\x1c\x1d\x1e\x1f")
NO_CONTROLS = bytes({*range(32, 256), *HARMLESS_CONTROLS})
MOST_CONTROLS, MOST_KINDS = 0.1, 10
"""Share of other control characters (NUL among them) above which bytes are not taken for text, and
of how many kinds they may be: damaged text has a few, compressed data has all."""


def check_type(path: Path, claimed: str) -> None:
    """Raises `EMPTY_FILE`, or `NOT_THE_TYPE` when the content is surely not what is claimed.

    `claimed` is one of csv, tsv, json, jsonl, xml, excel, parquet.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - 4, 0))
        tail = file.read(4)
    if not head:
        raise FileError(FileErrorCode.EMPTY_FILE, "The file is empty: it has no bytes.")
    if claimed == "parquet":
        _check_parquet(head, tail)
    elif claimed == "excel":
        if not head.startswith(WORKBOOK):
            raise _not_the(claimed, _name(head))
    else:
        _check_text(head, claimed)


def _check_parquet(head: bytes, tail: bytes) -> None:
    if head.startswith(b"PARE"):
        raise FileError(FileErrorCode.UNREADABLE, "The Parquet file is encrypted.")
    if not head.startswith(b"PAR1"):
        raise _not_the("parquet", _name(head))
    if tail != b"PAR1":
        raise FileError(FileErrorCode.UNREADABLE, "The Parquet file ends before its footer.")


def _check_text(head: bytes, claimed: str) -> None:
    for signature, name in BINARY:
        if head.startswith(signature):
            raise _not_the(claimed, name)
    wide = wide_encoding(head)
    if wide is None:
        controls = head.translate(None, NO_CONTROLS)
        if len(set(controls)) >= MOST_KINDS or len(controls) > len(head) * MOST_CONTROLS:
            raise _not_the(claimed, "binary data")
    start = head[:1024].decode(wide or "utf-8", "replace").lstrip("\ufeff \t\r\n")
    if claimed == "xml":
        if not start.startswith("<") or start.lower().startswith(("<!doctype html", "<html")):
            raise _not_the(claimed, _name(head))
        return
    for prefix, name in MARKUP:
        if start.lower().startswith(prefix):
            raise _not_the(claimed, name)
    if claimed == "json" and start and not start.startswith(("{", "[")):
        raise _not_the(claimed, "text that begins with neither { nor [")


def _name(head: bytes) -> str:
    for signature, name in BINARY:
        if head.startswith(signature):
            return name
    start = head[:1024].decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower()
    return next((name for prefix, name in MARKUP if start.startswith(prefix)), "something else")


def _not_the(claimed: str, found: str) -> FileError:
    return FileError(
        FileErrorCode.NOT_THE_TYPE, f"The file is called {claimed}, but its content is {found}."
    )
