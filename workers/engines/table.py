"""A table on its way: where its text is read from, and what was found out about it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.engines.duck import literal, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Column:
    """A column as reports describe it.

    `type` is one of the names in `forms.TYPES`, or a Parquet file's own; `format` says how the text
    of a date, time or number is written where that is not ISO 8601 or plain.
    """

    name: str
    source_name: str
    type: str
    format: str | None = None
    nulls: int | None = None

    def document(self) -> dict[str, Any]:
        """Gives the JSON form; `format` only where there is one."""
        found = {"name": self.name, "source_name": self.source_name, "type": self.type}
        return {**found, "nulls": self.nulls} | ({"format": self.format} if self.format else {})


@dataclass(frozen=True, slots=True)
class Reading:
    """How DuckDB reads delimited text as columns ``c0``, ``c1`` … of text."""

    path: str
    width: int
    delimiter: str = ","
    quote: str = '"'
    header: bool = False
    strict: bool = True
    parallel: bool = True
    canonical: bool = False
    """Whether `canonical` wrote the file, so that what is quoted is never NULL."""

    def relation(self) -> str:
        """Gives the table function call, for a FROM clause."""
        columns = ", ".join(f"'c{at}': 'VARCHAR'" for at in range(self.width))
        # A blank line is no record, but in a table of one column DuckDB takes it for a NULL.
        one_column = self.width == 1 and not self.canonical
        options = {
            "columns": "{" + columns + "}",
            "auto_detect": "false",
            "header": _boolean(self.header),
            "delim": literal(self.delimiter),
            "quote": literal(self.quote),
            "escape": literal(self.quote),
            "compression": "'none'",
            "strict_mode": _boolean(self.strict),
            "parallel": _boolean(self.parallel),
            "allow_quoted_nulls": _boolean(not self.canonical and not one_column),
        }
        if self.canonical:
            # Else DuckDB would take the first line break, be it in a value, for that of all lines.
            options["new_line"] = "'\\n'"
        listed = ", ".join(f"{name} = {value}" for name, value in options.items())
        call = f"read_csv({literal(self.path)}, {listed})"
        if one_column:
            values = select("nullif(c0, '') as c0", call, "where c0 is not null")
            return f"({values})"
        return call


@dataclass(slots=True)
class Table:
    """Records that were found and counted, ready to be typed."""

    source_names: list[str]
    names: list[str]
    kept: int
    rejected: int
    readings: Sequence[tuple[str, Callable[[], str]]]
    """Names and makers of relations to read it by, the fastest first, the surest last."""
    families: Sequence[frozenset[str]] = ()
    """Which families of types each column's text may be of; empty means any."""
    json_columns: frozenset[int] = frozenset()
    """Columns whose values are all JSON text."""
    typed: bool = False
    """Whether the readings give values of the columns' types instead of text."""
    comma: bool = False
    """Whether numbers may be written with a decimal comma."""
    columns: list[Column] = field(default_factory=list)
    """The columns, where their types are known already."""
    details: dict[str, Any] = field(default_factory=dict)
    """What a validation report says beside rows and columns."""
    warnings: list[dict[str, str]] = field(default_factory=list)


def copy_ranges(source: Path, target: Path, ranges: Iterable[tuple[int, int]]) -> None:
    """Copies byte ranges of one file behind each other into another, inside the kernel."""
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        for start, end in ranges:
            at = start
            while at < end:
                sent = os.sendfile(writing.fileno(), reading.fileno(), at, end - at)
                if sent == 0:
                    break
                at += sent


def _boolean(value: object) -> str:
    return "true" if value else "false"
