"""Which dialect a delimited text is in: judged by its first megabyte, in UTF-8.

Each candidate splits the sample by the grammar. A good one gives nearly all records the same number
of fields, and fields that look like values: numbers, dates, or words without other delimiters.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from workers.engines.errors import FileError, FileErrorCode
from workers.engines.grammar import Dialect, Grammar
from workers.engines.limits import MAX_COLUMNS, MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 1000
DELIMITERS = (b",", b";", b"\t", b"|", b"^", b"~", b"\x1f", b"\x01")
NOWHERE = (b"\x1f", b"\x1e", b"\x1d", b"\x01", b"\x02")
"""What a table of one column is split by: the first of these that its sample does not hold."""

ONE_COLUMN_SCORE = 0.35
"""A candidate has to be this good for a text to be taken for more than one column."""

VALUE = re.compile(
    rb" *(?:[-+]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:[eE][-+]?\d+)? ?%?"
    rb"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?"
    rb"(?:Z|[-+]\d\d(?::?\d\d)?)?)?|\d{1,2}:\d\d(?::\d\d)?|[Tt]rue|[Ff]alse|TRUE|FALSE) *"
)
"""A number, date, time or truth value in any spelling."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first bytes of a text, and where its first record begins."""

    data: bytes
    start: int
    whole: bool


def read_sample(path: Path, start: int) -> Sample:
    """Reads the first megabyte, or more until it holds a line; `start` skips a byte-order mark.

    Raises `EMPTY_FILE` when there is nothing but white space, and `TOO_MANY_COLUMNS` or
    `LINE_TOO_LONG` when the first line does not end.
    """
    with path.open("rb") as file:
        data = file.read(SAMPLE_BYTES)
        if b"\n" not in data and b"\r" not in data:
            data += file.read(MAX_RECORD_BYTES + 1 - len(data))
        whole = not file.read(1)
    if whole and not data[start:].strip():
        raise FileError(FileErrorCode.EMPTY_FILE, "The file is empty: it has only white space.")
    if not whole:
        cut = max(data.rfind(b"\n"), data.rfind(b"\r"))
        if cut < 0:
            _check_width(max(data.count(delimiter) for delimiter in DELIMITERS) + 1)
            raise FileError(
                FileErrorCode.LINE_TOO_LONG,
                f"The first line has more than {MAX_RECORD_BYTES:,} bytes.",
            )
        data = data[: cut + 1]
    return Sample(data, start, whole)


def detect_dialect(sample: Sample, claimed: str) -> tuple[Dialect, int]:
    """Gives the dialect and the number of columns; `claimed` is csv or tsv.

    Raises `TOO_MANY_COLUMNS`.
    """
    newline = b"\r" if b"\r" in sample.data and b"\n" not in sample.data else b"\n"
    best_score, best, best_width = ONE_COLUMN_SCORE, None, 1
    for delimiter in DELIMITERS:
        if delimiter not in sample.data:
            continue
        for dialect in _quotings(sample, delimiter, newline):
            score, width = _score(sample, dialect)
            if claimed == "tsv" and delimiter == b"\t" and score:
                score += 1
            if score > best_score:
                best_score, best, best_width = score, dialect, width
    _check_width(best_width)
    if best is None:
        delimiter = next((byte for byte in NOWHERE if byte not in sample.data), NOWHERE[0])
        best = Dialect(delimiter, b'"', b'"', newline)
        if _spoils(sample, best):
            best = Dialect(delimiter, b"", b"", newline)
    return best, best_width


def sample_records(sample: Sample, grammar: Grammar) -> Iterator[tuple[int, int, bytes | None]]:
    """Gives start, end and bytes of the sample's records; None for a malformed record's line."""
    data, at, newline = sample.data, sample.start, grammar.dialect.newline
    while at < len(data):
        if data[at : at + 1] in b"\r\n":
            at += 1
            continue
        match = grammar.any_record.match(data, at)
        if match is not None:
            yield at, match.end(), match[0]
            at = match.end()
        else:
            cut = data.find(newline, at)
            stop = cut + 1 if cut >= 0 else len(data)
            yield at, stop, None
            at = stop


def is_value(cell: bytes | None) -> bool:
    """Whether a cell is a number, date, time or truth value, which names of columns are not."""
    return cell is not None and VALUE.fullmatch(cell) is not None


def _quotings(sample: Sample, delimiter: bytes, newline: bytes) -> list[Dialect]:
    """Gives the ways in which values may be quoted between these delimiters."""
    doubled = Dialect(delimiter, b'"', b'"', newline)
    found = [doubled]
    if _opens(sample.data, doubled):
        if b'\\"' in sample.data:
            found.append(Dialect(delimiter, b'"', b"\\", newline))
        if _spoils(sample, doubled):
            found.append(Dialect(delimiter, b"", b"", newline))
    single = Dialect(delimiter, b"'", b"'", newline)
    if _opens(sample.data, single):
        found.append(single)
    return found


def _opens(data: bytes, dialect: Dialect) -> bool:
    """Whether any field begins with the quote character."""
    before = rb"(?:^|[\r\n]|" + re.escape(dialect.delimiter) + rb") *"
    return re.search(before + re.escape(dialect.quote), data) is not None


def _spoils(sample: Sample, dialect: Dialect) -> bool:
    """Whether taking the character for quotes makes most of the records that have it malformed.

    Then it is text: inches, or quotes that were never escaped.
    """
    grammar = Grammar(dialect, 1)
    records = islice(sample_records(sample, grammar), SAMPLE_RECORDS)
    spoilt = [
        record is None for _, _, record in records if record is None or dialect.quote in record
    ]
    return sum(spoilt) * 2 > len(spoilt)


def _score(sample: Sample, dialect: Dialect) -> tuple[float, int]:
    """Gives how good a candidate is, and the number of fields that most records have."""
    grammar = Grammar(dialect, 1)
    widths: Counter[int] = Counter()
    records: list[list[bytes | None]] = []
    malformed = 0
    for _, _, record in islice(sample_records(sample, grammar), SAMPLE_RECORDS):
        if record is None:
            malformed += 1
            continue
        fields = grammar.fields(record)
        widths[len(fields)] += 1
        records.append(fields)
    if not records:
        return 0.0, 1
    width, found = widths.most_common(1)[0]
    if width == 1:
        return 0.0, 1
    share = found / (len(records) + malformed)
    cells = [cell for fields in records[:200] if len(fields) == width for cell in fields[:100]]
    return share * sum(_likeness(cell, dialect) for cell in cells) / len(cells), width


def _likeness(cell: bytes | None, dialect: Dialect) -> float:
    """How much a cell looks like one value, 0 to 1."""
    if cell is None or VALUE.fullmatch(cell):
        return 1.0
    quote = dialect.quote or b'"'
    if cell.startswith(quote) or cell.endswith(quote):
        return 0.2  # Quotes are left around a value that they should have been taken from.
    others = sum(cell.count(delimiter) for delimiter in DELIMITERS[:4])
    return 0.8 if others == 0 else 0.5 if b", " in cell else 0.3


def _check_width(width: int) -> None:
    if width > MAX_COLUMNS:
        raise FileError(
            FileErrorCode.TOO_MANY_COLUMNS,
            f"The file has {width:,} columns; {MAX_COLUMNS:,} are the most.",
        )
