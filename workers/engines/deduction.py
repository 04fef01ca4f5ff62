"""Decides the types of columns by every one of their values.

The first records leave few forms possible for each column. One pass over the whole table then tells
which of these all values have, and counts rows and NULLs; a column for which none is left is text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workers.engines.duck import select
from workers.engines.forms import (
    BOOLEAN,
    DECIMAL,
    DECIMAL_COMMA,
    FLOAT,
    MOMENTS,
    WHOLE,
    WORD,
    Form,
    matches,
    padded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

BATCH_COLUMNS = 1024
SAMPLE_ROWS = 2000
SAMPLE_CELLS = 400_000

ANY = frozenset({"boolean", "number", "moment"})
"""All families of types that text may be of."""

# What kinds of numbers a column holds, as bits.
FITS, TOO_LONG, POINT, EXPONENT, NOT_FINITE, NO_NUMBER = 1, 2, 4, 8, 16, 32

SAFE_DIGITS = 15
"""Decimal digits that a double always gives back (IEEE 754, DBL_DIG)."""
MONEY_DIGITS = 18
"""Digits of a decimal that is stored as one 64-bit integer."""
MONEY_SCALE = 4
"""Digits behind the point up to which decimals are taken for exact amounts, not measurements."""
MOST_DIGITS = 38
THOUSAND = 3
"""Digits of a group, where a separator may set off thousands as well as decimals."""


@dataclass(slots=True)
class Candidate:
    """One column: which forms it may still have, and what the whole pass found."""

    text: str
    boolean: bool
    number: bool
    comma: bool
    moments: list[Form]
    type: str = "text"
    format: str | None = None
    nulls: int = 0
    found: list[Form] = field(default_factory=list)


def deduce(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    families: Sequence[frozenset[str]],
    *,
    comma: bool,
) -> tuple[int, list[Candidate], list[dict[str, Any]]]:
    """Gives the number of rows, the columns with their types, and warnings about them.

    `relation` has text columns ``c0``, ``c1`` …, one for each of `families`, which narrow what a
    column may be. With `comma`, numbers may be written with a decimal comma. Raises DuckDB's errors
    when the relation does not read.
    """
    width = len(families)
    samples = _samples(connection, relation, width)
    _fill_sparse(connection, relation, samples)
    candidates = [
        _candidate(f"c{at}", samples[at], families[at], comma=comma) for at in range(width)
    ]
    count = 0
    for start in range(0, width, BATCH_COLUMNS):
        batch = candidates[start : start + BATCH_COLUMNS]
        count = _survey(connection, relation, batch)
    return count, candidates, _settle(candidates)


def _samples(connection: duckdb.DuckDBPyConnection, relation: str, width: int) -> list[set[str]]:
    """Gives the values that each column has in the first records."""
    limit = max(min(SAMPLE_ROWS, SAMPLE_CELLS // width), 20)
    samples: list[set[str]] = []
    for start in range(0, width, BATCH_COLUMNS):
        places = range(start, min(start + BATCH_COLUMNS, width))
        asked = ", ".join(f"c{at}" for at in places)
        rows = connection.execute(select(asked, relation, f"limit {limit}")).fetchall()
        samples += [{row[at] for row in rows if row[at] is not None} for at in range(len(places))]
    return samples


def _fill_sparse(
    connection: duckdb.DuckDBPyConnection, relation: str, samples: list[set[str]]
) -> None:
    """Finds values of the columns that the first records have none of."""
    empty = [at for at, values in enumerate(samples) if not values]
    for start in range(0, len(empty), BATCH_COLUMNS):
        batch = empty[start : start + BATCH_COLUMNS]
        asked = ", ".join(f"any_value(c{at}), min(c{at}), max(c{at})" for at in batch)
        row = connection.execute(select(asked, relation)).fetchone()
        for place, at in enumerate(batch):
            found = row[place * 3 : place * 3 + 3] if row else ()
            samples[at].update(value for value in found if value is not None)


def _candidate(text: str, sample: set[str], family: frozenset[str], *, comma: bool) -> Candidate:
    moments = list(MOMENTS) if "moment" in family and sample else []
    for value in sample:
        if not moments:
            break
        moments = [form for form in moments if form.holds(value)]
    number = Form("number", None, padded(f"{FLOAT}|{WORD}"))
    with_comma = Form("number", DECIMAL_COMMA, padded(WHOLE + "(?:,[0-9]+)?"))
    truth = Form("boolean", None, padded(BOOLEAN))
    return Candidate(
        text,
        boolean="boolean" in family and bool(sample) and all(map(truth.holds, sample)),
        number="number" in family and bool(sample) and all(map(number.holds, sample)),
        comma=comma and "number" in family and _has_comma(sample, with_comma),
        moments=moments,
    )


def _has_comma(sample: set[str], form: Form) -> bool:
    if not all(map(form.holds, sample)):
        return False
    # 1,234 may be a thousand as well: some value has to rule that out.
    groups = [value.strip().lstrip("-").split(",") for value in sample if "," in value]
    return any(
        len(after) != THOUSAND or len(before) > THOUSAND or before == "0"
        for before, after in groups
    )


def _survey(connection: duckdb.DuckDBPyConnection, relation: str, batch: list[Candidate]) -> int:
    """Reads the whole table once for these columns; gives the number of rows."""
    asked: list[str] = ["count(*)"]
    for column in batch:
        text = column.text
        asked.append(f"count({text})")
        if column.boolean:
            truth = matches(text, padded(BOOLEAN))
            asked.append(f"count({text}) filter (not {truth})")
        if column.number or column.comma:
            asked.extend(_number_evidence(text, comma=not column.number))
        asked.extend(f"count({text}) filter (not {form.test(text)})" for form in column.moments)
    row = connection.execute(select(", ".join(asked), relation)).fetchone()
    answers = iter(row or ())
    count = int(next(answers))
    for column in batch:
        values = int(next(answers))
        column.nulls = count - values
        if column.boolean and next(answers) == 0 and values:
            column.type = "boolean"
        if column.number or column.comma:
            evidence = (next(answers), next(answers), next(answers))
            decided = _number_type(*evidence) if values else None
            if decided is not None:
                column.type = decided
                column.format = None if column.number else DECIMAL_COMMA
        column.found = [form for form in column.moments if next(answers) == 0 and values]
    return count


def _number_evidence(text: str, *, comma: bool) -> list[str]:
    """Gives SQL for the kinds of numbers, the characters before the point, and those after."""
    if comma:
        text = f"replace({text}, ',', '.')"
    point = f"strpos({text}, '.')"
    kind = (
        f"case when {text} is null then 0"
        f" when {matches(text, padded(WHOLE))} then"
        f" case when try_cast({text} as bigint) is null then {TOO_LONG} else {FITS} end"
        f" when {matches(text, padded(DECIMAL))} then {POINT}"
        f" when {matches(text, padded(FLOAT))} and isfinite(try_cast({text} as double))"
        f" then {EXPONENT}"
        f" when {matches(text, padded(WORD))} then {NOT_FINITE}"
        f" else {NO_NUMBER} end"
    )
    return [
        f"bit_or({kind})",
        f"max(case when {point} > 0 then {point} - 1 else length({text}) end)",
        f"max(case when {point} > 0 then length({text}) - {point} else 0 end)",
    ]


def _number_type(kinds: int, digits: int, scale: int) -> str | None:
    """Chooses the type that keeps every value's digits, or None where none does."""
    if kinds & NO_NUMBER or not kinds & ~NOT_FINITE:
        return None
    if kinds == FITS:
        return "bigint"
    if not kinds & (EXPONENT | NOT_FINITE):
        if scale <= MONEY_SCALE and digits + scale <= MONEY_DIGITS:
            return f"decimal({MONEY_DIGITS},{scale})"
        if digits > SAFE_DIGITS:
            fits = digits + scale <= MOST_DIGITS
            return f"decimal({MOST_DIGITS},{scale})" if fits else None
    return "double" if digits <= SAFE_DIGITS else None


def _settle(candidates: list[Candidate]) -> list[dict[str, Any]]:
    """Chooses among the dates and times that are left; what stays open is told in warnings.

    A column in which day and month can't be told apart follows those of the same table that use
    the same separator and can. Without any, it is month/day/year with slashes, else text.
    """
    warnings: list[dict[str, Any]] = []
    orders: dict[str, set[str]] = {}
    for column in candidates:
        for found in column.found:
            if found.day_or_month and _twin(found, column.found) is None:
                orders.setdefault(found.separator, set()).add(found.day_or_month)
    for at, column in enumerate(candidates):
        if not column.found:
            continue
        form: Form | None = column.found[0]
        twin = _twin(column.found[0], column.found)
        if twin is not None:
            known = orders.get(twin.separator, set())
            if len(known) == 1:
                form = twin if twin.day_or_month in known else form
            else:
                form = column.found[0] if twin.separator == "/" else None
                warnings.append(_ambiguous(at, form))
        if form is not None:
            column.type, column.format = form.type, form.format
    return warnings


def _twin(form: Form, forms: list[Form]) -> Form | None:
    """Finds the form that differs only in which of day and month comes first."""
    if not form.day_or_month or form.format is None:
        return None
    other = form.format[3:5] + form.format[2] + form.format[:2] + form.format[5:]
    return next((found for found in forms if found.format == other), None)


def _ambiguous(at: int, form: Form | None) -> dict[str, Any]:
    taken = "taken as month/day/year" if form else "left as text"
    return {
        "code": "AMBIGUOUS_DATES",
        "column": at,
        "message": f"Nothing tells day from month in any value: {taken}.",
    }
