"""The forms that values are written in: which text is of which type, and how it is cast.

A form is a pattern that Python and DuckDB (RE2) read alike, and an SQL expression. A column gets a
type only when every one of its values has the form *and* casts, so that no cast can fail later.

What is left as text on purpose: numbers with leading zeros or a plus sign (they are codes), with
thousands separators or units, dates with two-digit years, times with spaces around them, words such
as ``N/A`` and ``yes``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from workers.engines.duck import literal

WHOLE = r"-?(?:0|[1-9][0-9]*)"
DECIMAL = WHOLE + r"\.[0-9]+"
FLOAT = r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
WORD = r"NaN|nan|NAN|-?(?:inf|Inf|INF|Infinity|infinity|INFINITY)"
BOOLEAN = r"true|false|True|False|TRUE|FALSE"

YEAR = r"(?:[1-9][0-9]{3}|0001)"
MONTH = r"(?:0?[1-9]|1[0-2])"
DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
NAME = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
HOUR = r"(?:[01]?[0-9]|2[0-3])"
HALF = r"(?:0?[1-9]|1[0-2])"
SIXTY = r"[0-5][0-9]"
# Seconds go down to microseconds; zeros that some exports add after those say nothing.
FRACTION = r"\.[0-9]{1,6}0{0,3}"
CLOCK = HOUR + ":" + SIXTY + "(?::" + SIXTY + "(?:" + FRACTION + ")?)?"
ZONE = r"(?:Z|z| ?[-+](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
ISO_DATE = YEAR + "-" + MONTH + "-" + DAY
ISO_TIMESTAMP = ISO_DATE + "(?:[T ]" + CLOCK + ")?"
ISO_ZONED = ISO_DATE + "[T ]" + CLOCK + ZONE

DATES = (
    ("%m/%d/%Y", MONTH + "/" + DAY + "/" + YEAR),
    ("%d/%m/%Y", DAY + "/" + MONTH + "/" + YEAR),
    ("%Y/%m/%d", YEAR + "/" + MONTH + "/" + DAY),
    ("%d.%m.%Y", DAY + r"\." + MONTH + r"\." + YEAR),
    ("%m-%d-%Y", MONTH + "-" + DAY + "-" + YEAR),
    ("%d-%m-%Y", DAY + "-" + MONTH + "-" + YEAR),
    ("%d-%b-%Y", DAY + "-" + NAME + "-" + YEAR),
)
CLOCKS = (
    (" %H:%M", " " + HOUR + ":" + SIXTY),
    (" %H:%M:%S", " " + HOUR + ":" + SIXTY + ":" + SIXTY),
    (" %H:%M:%S.%f", " " + HOUR + ":" + SIXTY + ":" + SIXTY + r"\.[0-9]{1,6}"),
    (" %I:%M %p", " " + HALF + ":" + SIXTY + " [AaPp][Mm]"),
    (" %I:%M:%S %p", " " + HALF + ":" + SIXTY + ":" + SIXTY + " [AaPp][Mm]"),
)

SQL_TYPES = {"text": "VARCHAR", "json": "VARCHAR", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
DECIMAL_COMMA = ","


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write values of one type. `format` is None for ISO 8601."""

    type: str
    format: str | None
    pattern: str

    @property
    def day_or_month(self) -> str:
        """Which of ``%d`` and ``%m`` a date begins with, if it begins with one."""
        start = (self.format or "")[:2]
        return start if start in ("%d", "%m") else ""

    @property
    def separator(self) -> str:
        """What stands between the parts of a date that is not ISO 8601."""
        return (self.format or "")[2:3]

    def holds(self, text: str) -> bool:
        """Whether one text has the form; whether it casts as well is known to DuckDB alone."""
        return _compiled(self.pattern).fullmatch(text) is not None

    def test(self, text: str) -> str:
        """Gives the SQL condition that the text expression has the form and casts."""
        value = value_sql(self.type, self.format, text, attempt=True)
        return f"({matches(text, self.pattern)} and {value} is not null)"


def padded(pattern: str) -> str:
    """Allows spaces around a pattern, as columns of fixed width have them."""
    return f" *(?:{pattern}) *"


def matches(text: str, pattern: str) -> str:
    """Gives the SQL condition that all of a text expression matches the pattern."""
    return f"regexp_full_match({text}, {literal(pattern)})"


MOMENTS = (
    Form("date", None, padded(ISO_DATE)),
    *(Form("date", written, padded(pattern)) for written, pattern in DATES),
    Form("timestamp", None, ISO_TIMESTAMP),
    *(
        Form("timestamp", written + clock, padded(pattern + clock_pattern))
        for written, pattern in DATES
        for clock, clock_pattern in CLOCKS
    ),
    Form("timestamptz", None, ISO_ZONED),
    Form("time", None, CLOCK),
)
"""Forms of dates and times; of those that all values have, the first gives the type."""


def value_sql(type: str, written: str | None, text: str, *, attempt: bool = False) -> str:
    """Gives the SQL expression that casts a text expression to a type; `written` is its format.

    With `attempt` it is NULL where the text does not cast; otherwise that is an error.
    """
    if type in ("text", "json"):
        return text
    cast = "try_cast" if attempt else "cast"
    if written == DECIMAL_COMMA:
        text, written = f"replace({text}, ',', '.')", None
    if written is not None:
        text = f"{'try_strptime' if attempt else 'strptime'}({text}, {literal(written)})"
        return f"{cast}({text} as DATE)" if type == "date" else text
    if type == "boolean":
        text = f"trim({text})"
    return f"{cast}({text} as {SQL_TYPES.get(type, type.upper())})"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
