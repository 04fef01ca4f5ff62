"""What the values of columns look like, from a bounded sample of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.insights.names import words_of
from workers.insights.table import Column, Family, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLE_ROWS = 20_000
BATCH_COLUMNS = 64
FEW_VALUES = 12
"""Up to so many distinct values are looked at one by one."""

SERIAL_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Profile:
    """A column, its name's words, and its values in the sample. Shares are of filled values."""

    column: Column
    words: str
    rows: int
    filled: int
    distinct: int
    whole: float
    positive: float
    negative: float
    lowest: float | None
    highest: float | None
    length: float
    values: tuple[str, ...]
    """The distinct values as texts in order, where there are no more than `FEW_VALUES`."""

    @property
    def family(self) -> Family:
        """What the values are."""
        return self.column.family

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return self.family is Family.NUMBER and self.filled > 0 and self.whole == 1

    @property
    def is_serial(self) -> bool:
        """Whether (nearly) every row has a value of its own, so that it names rows."""
        return self.filled > 1 and self.distinct >= SERIAL_SHARE * self.filled

    @property
    def numbers_rows(self) -> bool:
        """Whether they are whole numbers that lie as close as numbers of rows."""
        close = (self.highest or 0) - (self.lowest or 0) < 2 * self.distinct
        return self.is_whole and self.is_serial and close


def profiles(table: Table) -> list[Profile]:
    """Gives the profile of each column in the file's order."""
    found = []
    for start in range(0, len(table.columns), BATCH_COLUMNS):
        batch = table.columns[start : start + BATCH_COLUMNS]
        table.narrow(batch)
        found += _batch(table, batch)
    return found


def _batch(table: Table, columns: Sequence[Column]) -> list[Profile]:
    where = f"where {table.sample(SAMPLE_ROWS)}"
    measures = [measure for column in columns for measure in _measures(column)]
    row = table.record(f"count(*) as rows, {', '.join(measures)}", "data", where)
    lists = [
        f"list_sort(list(distinct {each.key}) filter ({each.value} is not null)) as v{each.at}"
        for each in columns
        if 0 < row.get(f"distinct{each.at}", 0) <= FEW_VALUES
    ]
    values = table.record(", ".join(lists), "data", where) if lists else {}
    return [_profile(column, row, values.get(f"v{column.at}", ())) for column in columns]


def _measures(column: Column) -> list[str]:
    at, value = column.at, column.value
    if column.family is Family.OTHER:
        return [f"count(c{at}) as filled{at}"]
    measures = [f"count({value}) as filled{at}", f"count(distinct {value}) as distinct{at}"]
    if column.family is Family.NUMBER:
        measures += [
            f"count(*) filter ({value} = floor({value})) as whole{at}",
            f"count(*) filter ({value} > 0) as positive{at}",
            f"count(*) filter ({value} < 0) as negative{at}",
            f"min({value}) as lowest{at}",
            f"max({value}) as highest{at}",
        ]
    if column.family is Family.TEXT:
        measures.append(f"avg(length({value})) as length{at}")
    return measures


def _profile(column: Column, row: Mapping[str, Any], values: Sequence[str]) -> Profile:
    def count(name: str) -> int:
        return int(row.get(f"{name}{column.at}") or 0)

    filled = count("filled")
    return Profile(
        column=column,
        words=words_of(column.name),
        rows=int(row["rows"]),
        filled=filled,
        distinct=count("distinct"),
        whole=count("whole") / max(filled, 1),
        positive=count("positive") / max(filled, 1),
        negative=count("negative") / max(filled, 1),
        lowest=row.get(f"lowest{column.at}"),
        highest=row.get(f"highest{column.at}"),
        length=float(row.get(f"length{column.at}") or 0),
        values=tuple(values),
    )
