"""Makes tables of records that name their own values: those of JSON and XML documents.

The columns are all names that any record has, in the order in which they first come. A value that
has parts of its own (an object, a list) stays as JSON text; nothing is flattened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workers.engines.canonical import CanonicalFile
from workers.engines.deduction import ANY
from workers.engines.errors import FileError, FileErrorCode
from workers.engines.headers import unique_names
from workers.engines.limits import MAX_COLUMNS, MAX_RECORD_BYTES
from workers.engines.rejects import Rejects
from workers.engines.table import Reading, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANONICAL = Path("canonical.csv")


class Number(str):
    """The text of a number in a JSON document, with all its digits."""

    __slots__ = ()


class Untyped(str):
    """Text of a document that has no types: it may turn out to be of any."""

    __slots__ = ()


class Item(NamedTuple):
    """One record of a document: either its values by name, or why it is rejected.

    `line` is the line that it begins in, and `text` what a rejects file shows of it.
    """

    line: int
    values: dict[str, object] | None
    text: str
    reason: str = ""
    message: str = ""


# What kinds of values a column holds, as bits.
TEXT, NUMBER, TRUTH, PARTS, UNTYPED = 1, 2, 4, 8, 16
KINDS: dict[type, int] = {
    str: TEXT,
    Number: NUMBER,
    bool: TRUTH,
    dict: PARTS,
    list: PARTS,
    Untyped: UNTYPED,
}
FAMILIES = {
    TEXT: frozenset({"moment"}),
    NUMBER: frozenset({"number"}),
    TRUTH: frozenset({"boolean"}),
    UNTYPED: ANY,
}


@dataclass(slots=True)
class _Names:
    """The columns so far: where each is, and the kinds of values it has."""

    places: dict[str, int]
    kinds: list[int]

    def row(self, values: dict[str, object]) -> list[str | None]:
        """Gives a record's values as text, in their columns; new names get new columns."""
        row: list[str | None] = [None] * len(self.places)
        for name, value in values.items():
            at = self.places.get(name)
            if at is None:
                at = self.places[name] = len(self.places)
                _check_width(at + 1)
                self.kinds.append(0)
                row.append(None)
            if value is not None:
                kind = KINDS[type(value)]
                row[at] = encode(value) if kind & (PARTS | TRUTH) else str(value)
                self.kinds[at] |= kind
        return row


def collect(
    items: Callable[[], Iterator[Item]],
    source_names: Callable[[list[str]], list[str]] = list,
) -> tuple[Table, int]:
    """Writes a document's records in canonical form, and its rejects; gives the table.

    `items` starts from the beginning each time: a second pass is needed where a name turned up
    after records without it were written. Also gives how many NUL characters were replaced. Raises
    `NO_TABLE` without any name, and `TOO_MANY_COLUMNS`.
    """
    names = _Names({}, [])
    while True:
        width = max(len(names.places), 1)
        rejects, nuls, kept = _write(items(), names, width)
        if len(names.places) <= width:
            break
    if not names.places:
        raise FileError(FileErrorCode.NO_TABLE, "The document holds no records with values.")
    sources = source_names(list(names.places))
    table = Table(
        sources,
        unique_names(sources),
        kept,
        rejects.count,
        _ways(width),
        families=[FAMILIES.get(kinds, frozenset()) for kinds in names.kinds],
        json_columns=frozenset(at for at, kinds in enumerate(names.kinds) if kinds == PARTS),
        details={"replaced_nul_characters": nuls, **rejects.document()},
    )
    return table, nuls


def encode(value: object) -> str:
    """Writes a value as JSON text, numbers with the digits they came with."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {encode(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(encode, value)) + "]"
    if type(value) is Number:
        return str(value) if value[-1].isdigit() else "null"  # JSON has no NaN and no infinity.
    return json.dumps(value)


def _write(items: Iterator[Item], names: _Names, width: int) -> tuple[Rejects, int, int]:
    rejects = Rejects()
    with CanonicalFile(CANONICAL, width) as canonical:
        for item in items:
            if item.values is None:
                rejects.add(item.line, item.reason, item.message, item.text)
                continue
            try:
                row = names.row(item.values)
            except RecursionError:
                message = "Its values are nested too deeply."
                rejects.add(item.line, "TOO_DEEP", message, item.text)
                continue
            if not canonical.write(row[:width]):
                message = f"More than {MAX_RECORD_BYTES} bytes in one record."
                rejects.add(item.line, "RECORD_TOO_LONG", message, item.text)
        rejects.close()
    return rejects, canonical.replaced_nuls, canonical.records


def _ways(width: int) -> list[tuple[str, Callable[[], str]]]:
    def way(*, parallel: bool) -> Callable[[], str]:
        reading = Reading(str(CANONICAL), width, parallel=parallel, canonical=True)
        return reading.relation

    return [("parallel", way(parallel=True)), ("serial", way(parallel=False))]


def _check_width(width: int) -> None:
    if width > MAX_COLUMNS:
        raise FileError(
            FileErrorCode.TOO_MANY_COLUMNS,
            f"The records have more than {MAX_COLUMNS:,} names in all.",
        )
