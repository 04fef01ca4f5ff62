"""Which encoding a text file is in, and its copy in UTF-8.

UTF-8 is decided by the whole file; every other guess looks at samples. Bytes that the encoding does
not have become `DAMAGED`, so that the lines that hold them can be found and rejected.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.engines.errors import FileError, FileErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNK_BYTES = 1 << 23
ASCII = bytes(range(128))
SAMPLE_BYTES = 1 << 20

DAMAGED = "\ufdd0"
"""Stands for what could not be decoded: a code point that Unicode keeps out of all text."""

REPLACEMENT = "\ufffd"
"""Takes the place of NUL characters, which neither PostgreSQL nor most programs can hold."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # Begins like UTF-16's mark, so it is looked for first.
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Letters and signs beyond ASCII that western European text is written with.
WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŸŒŠŽßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœšžðÐþÞ€£¥¢©®°±²³µ·¹º»«¼½¾¿¡§¶ª™"
    "\u2013\u2014\u2018\u2019\u201a\u201c\u201d\u201e\u2020\u2022\u2026\u2030\u2039\u203a"
    "\u00b4\u00a8\u00b8\u00af\u00ac\u00a6\u00a4\u00d7\u00f7\u00a0\u00ad"
)
OFTEN_ZERO, RARELY_ZERO = 0.4, 0.1
ZEROS = {
    "x000": "utf-32-le",
    "000x": "utf-32-be",
    "x0x0": "utf-16-le",
    "0x0x": "utf-16-be",
}
"""Which of four bytes are mostly zero in text that has no byte-order mark."""

SURE = 100_000
"""Invalid bytes after which a file that is not UTF-8 so far need not be read to its end."""

MOST_WESTERN = 0.3
"""Share of bytes beyond ASCII above which a text is not taken for a western European one."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's bytes are text. `direct` says that they are clean UTF-8 as they stand."""

    name: str
    mark_bytes: int
    direct: bool


def detect_encoding(path: Path, reach: Callable[[float], None]) -> Encoding:
    """Finds the encoding, reading the whole file where it may be UTF-8.

    `reach` is told which fraction was read. Raises `UNKNOWN_ENCODING`.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    for mark, name in BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            clean = name == "utf-8" and _survey(path, len(mark), reach).clean
            return Encoding(name, len(mark), clean)
    if wide := wide_encoding(sample):
        return Encoding(wide, 0, direct=False)
    survey = _survey(path, 0, reach)
    if survey.invalid == 0 or survey.damaged:
        return Encoding("utf-8", 0, survey.clean)
    return Encoding(_single_byte(path), 0, direct=False)


def wide_encoding(sample: bytes) -> str | None:
    """Names the UTF-16 or UTF-32 that a sample is in by its mark or where its NULs are, or None."""
    for mark, name in BYTE_ORDER_MARKS[1:]:
        if sample.startswith(mark):
            return name
    # Of the four bytes of a character most are zero in UTF-32, and every second in UTF-16.
    quarters = [sample[at::4].count(0) / max(len(sample) / 4, 1) for at in range(4)]
    often = "".join("0" if share > OFTEN_ZERO else "x" for share in quarters)
    return (
        ZEROS.get(often)
        if all(share > OFTEN_ZERO or share < RARELY_ZERO for share in quarters)
        else None
    )


def transcode(path: Path, into: Path, encoding: Encoding, reach: Callable[[float], None]) -> int:
    """Writes the file's text as UTF-8 without mark; gives how many NUL characters it replaced."""
    _register()
    decoder = codecs.getincrementaldecoder(encoding.name)("aetherflow-damaged")
    size, nuls = path.stat().st_size, 0
    with path.open("rb") as source, into.open("wb") as target:
        source.seek(encoding.mark_bytes)
        while True:
            chunk = source.read(CHUNK_BYTES)
            text = decoder.decode(chunk, final=not chunk)
            if found := text.count("\0"):
                nuls += found
                text = text.replace("\0", REPLACEMENT)
            # A surrogate on its own comes out of broken UTF-16 and has no form in UTF-8.
            target.write(text.encode("utf-8", "replace"))
            if not chunk:
                return nuls
            reach(source.tell() / size)


@dataclass(slots=True)
class _Survey:
    multibyte: int = 0
    invalid: int = 0
    nuls: int = 0

    @property
    def clean(self) -> bool:
        return self.invalid == 0 and self.nuls == 0

    @property
    def damaged(self) -> bool:
        # Text in another encoding makes a valid sequence of UTF-8 only by rare accident, so a file
        # with many valid and few invalid ones is UTF-8 that was damaged on its way.
        return self.multibyte > 4 * self.invalid

    @property
    def hopeless(self) -> bool:
        return self.invalid > SURE and not self.damaged


def _survey(path: Path, start: int, reach: Callable[[float], None]) -> _Survey:
    _register()
    survey = _Survey()
    size = path.stat().st_size
    decoder = codecs.getincrementaldecoder("utf-8")("aetherflow-damaged")
    with path.open("rb") as file:
        file.seek(start)
        while True:
            chunk = file.read(CHUNK_BYTES)
            survey.nuls += chunk.count(0)
            if chunk and chunk.isascii() and not decoder.getstate()[0]:
                reach(file.tell() / size)
                continue
            text = decoder.decode(chunk, final=not chunk)
            survey.invalid += text.count(DAMAGED)
            # What a sequence has beyond its one character; an invalid byte adds nothing.
            survey.multibyte += len(chunk) - len(text)
            if not chunk or survey.hopeless:
                return survey
            reach(file.tell() / size)


def _single_byte(path: Path) -> str:
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if sample.isascii():
        # The bytes beyond ASCII come later: look at the text around the first of them.
        sample = _later_sample(path)
    beyond = sample.translate(None, ASCII)
    western = beyond.decode("cp1252", "replace")
    common = sum(1 for character in western if character in WESTERN)
    if common >= 0.95 * len(western) and len(beyond) <= MOST_WESTERN * len(sample):
        return "cp1252"
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 50 ms, for rare files

    best = from_bytes(sample[: 1 << 16]).best()
    if best is None or best.encoding is None:
        raise FileError(FileErrorCode.UNKNOWN_ENCODING, "The file's encoding is not known.")
    return codecs.lookup(best.encoding).name


def _later_sample(path: Path) -> bytes:
    with path.open("rb") as file:
        while chunk := file.read(SAMPLE_BYTES):
            if not chunk.isascii():
                return chunk
    return b""


def _register() -> None:
    codecs.register_error("aetherflow-damaged", _damaged)


def _damaged(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return DAMAGED * (error.end - error.start), error.end
