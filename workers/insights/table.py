"""A dataset's Parquet file as insights read it: SQL over all rows, arrays of a bounded sample."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workers.engines.duck import connect, identifier, literal, select

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

LARGEST = 1e30
"""Numbers from here on are no measurements, and squares of sums of them would leave the range."""

YES = (
    "'true', 'yes', 'y', 't', '1', 'late', 'delayed', 'overdue', 'cancelled', 'canceled',"
    " 'returned', 'refunded', 'voided'"
)

SAMPLE_FACTOR, SAMPLE_RANGE = 2_654_435_761, 1 << 32
"""Multiplicative hashing (Knuth, The Art of Computer Programming, vol. 3, 6.4): rows whose number
times the factor falls low in the range are spread evenly over the file, and always the same."""


class Family(StrEnum):
    """What a column's values are, as far as insights tell types apart."""

    NUMBER = "number"
    TEXT = "text"
    MOMENT = "moment"
    BOOLEAN = "boolean"
    OTHER = "other"


WHOLE_TYPES = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
) | {"HUGEINT", "UHUGEINT"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the view ``data``; `at` counts from 0 and names it there."""

    at: int
    name: str
    type: str

    @property
    def family(self) -> Family:
        """What its values are."""
        if self.type in WHOLE_TYPES | {"FLOAT", "DOUBLE"} or self.type.startswith("DECIMAL("):
            return Family.NUMBER
        if self.type in ("VARCHAR", "UUID") or self.type.startswith("ENUM("):
            return Family.TEXT
        if self.type == "DATE" or self.type.startswith("TIMESTAMP"):
            return Family.MOMENT
        return Family.BOOLEAN if self.type == "BOOLEAN" else Family.OTHER

    @property
    def value(self) -> str:
        """SQL of its values: DOUBLE, VARCHAR, TIMESTAMP (in UTC) or BOOLEAN; NULL if unusable.

        NaN, infinity and numbers from `LARGEST` on are unusable, and so are moments outside the
        years 1 to 9998 and empty texts. Space around texts is not part of them.
        """
        raw = f"c{self.at}"
        if self.family is Family.NUMBER:
            number = f"cast({raw} as DOUBLE)"
            # DuckDB orders NaN above every other number.
            return f"(case when abs({number}) < {LARGEST} then {number} end)"
        if self.family is Family.MOMENT:
            moment = f"cast({raw} as TIMESTAMP)"
            within = "between TIMESTAMP '0001-01-01' and TIMESTAMP '9998-12-31'"
            return f"(case when {moment} {within} then {moment} end)"
        return raw if self.family is Family.BOOLEAN else self.key

    @property
    def truth(self) -> str:
        """SQL of whether a flag is set; NULL where it has no value."""
        if self.family is Family.TEXT:
            return f"lower({self.value}) in ({YES})"
        return self.value if self.family is Family.BOOLEAN else f"{self.value} > 0"

    @property
    def key(self) -> str:
        """SQL of its values as texts that name things: whole numbers without ``.0``."""
        text = f"nullif(trim(cast(c{self.at} as VARCHAR)), '')"
        if self.family is Family.NUMBER and self.type not in WHOLE_TYPES:
            return rf"regexp_replace({text}, '\.0+$', '')"
        return text


def quoted(value: str) -> str:
    """Writes a text of the data as SQL, which can't hold NUL in a literal."""
    return "(" + " || chr(0) || ".join(map(literal, value.split("\0"))) + ")"


class Table:
    """An open Parquet file.

    Its rows are the view ``data``, with ``n`` from 0 on, and columns ``c0``, ``c1`` and so on.
    Statements hold their values as literals, because to bind values DuckDB imports more packages.

    One thread works on it: a sum of floats depends on the order of its terms, and the same file is
    to give the same figures.
    """

    def __init__(self, path: str, memory_bytes: int) -> None:
        """Opens a file of the working directory."""
        self._connection = connect(memory_bytes, 1, threads=1)
        self._source = f"read_parquet({literal(path)})"
        described = self._connection.execute(f"describe {select('*', self._source)}").fetchall()
        self.columns = [Column(at, row[0], row[1]) for at, row in enumerate(described)]
        self.narrow(self.columns)
        self.rows = int(self.record("count(*) as rows")["rows"])

    def narrow(self, columns: Iterable[Column]) -> None:
        """Leaves only some columns in the view ``data``: each costs time in every statement."""
        chosen = (f"{identifier(each.name)} as c{each.at}" for each in columns)
        self.view("data", ", ".join(["row_number() over () - 1 as n", *chosen]), self._source)

    def view(self, name: str, asked: str, relation: str = "data", rest: str = "") -> None:
        """Makes a view, which replaces one of the same name."""
        query = select(asked, relation, rest)
        self._connection.execute(f"create or replace temp view {name} as {query}")

    def records(self, asked: str, relation: str = "data", rest: str = "") -> list[dict[str, Any]]:
        """Gives the rows of a query as dictionaries."""
        cursor = self._connection.execute(select(asked, relation, rest))
        names = [each[0] for each in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def record(self, asked: str, relation: str = "data", rest: str = "") -> dict[str, Any]:
        """Gives the one row of a query that always has one."""
        (row,) = self.records(asked, relation, rest)
        return row

    def arrays(
        self, asked: str, relation: str = "data", rest: str = ""
    ) -> dict[str, NDArray[np.float64]]:
        """Gives the columns of a query, which are numbers, as arrays; NULL is NaN."""
        import numpy as np  # noqa: PLC0415 - what asks for no arrays does not pay for it

        found = self._connection.execute(select(asked, relation, rest)).fetchnumpy()
        return {
            name: np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
            for name, column in found.items()
        }

    def sample(self, limit: int) -> str:
        """Gives the SQL condition on ``n`` that keeps about `limit` rows, or all."""
        if self.rows <= limit:
            return "true"
        return f"(n * {SAMPLE_FACTOR}) % {SAMPLE_RANGE} < {limit * SAMPLE_RANGE // self.rows}"
