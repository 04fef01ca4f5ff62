"""An insight in the making: figures with units and rows, what can't be said, and sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

LABEL_CHARACTERS = 200
DIGITS = 10
"""Significant digits of numbers: beyond them differ the last bits of machines, not the data."""

CENTS_MATTER_BELOW = 1000


class Reason(StrEnum):
    """Why a figure is not available."""

    NO_COLUMN = "NO_COLUMN"
    NO_VALUES = "NO_VALUES"
    TOO_FEW_ROWS = "TOO_FEW_ROWS"
    NO_VARIATION = "NO_VARIATION"
    NOT_BETTER_THAN_GUESS = "NOT_BETTER_THAN_GUESS"


class Unit(StrEnum):
    """What a field's values are measured in."""

    MONEY = "money"
    PIECES = "pieces"
    DAYS = "days"
    ROWS = "rows"
    ORDERS = "orders"
    SHARE = "share"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"
    YES_NO = "yes_no"


class NotAvailable(Exception):
    """A figure can't be made from this data."""

    def __init__(self, code: Reason, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


Fields = Mapping[str, tuple[Unit, str]]
"""Of each field of a figure's points, in order: its unit and its label."""


@dataclass(slots=True)
class Report:
    """What goes in comes out safe for JSON and for PostgreSQL."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    not_available: list[dict[str, str]] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)

    def figure(
        self,
        name: str,
        title: str,
        chart: str,
        fields: Fields,
        points: Iterable[Mapping[str, Any]],
        *,
        rows: int,
        notes: Sequence[str] = (),
    ) -> None:
        """Adds a figure that rests on `rows` of the dataset.

        `chart` says how it is meant to be drawn: line and bar along the first field, numbers (one
        point), or table.
        """
        self.figures[name] = {
            "title": text(title),
            "chart": chart,
            "fields": {
                key: {"unit": str(unit), "label": label(name)}
                for key, (unit, name) in fields.items()
            },
            "rows": int(rows),
            "points": [{key: plain(point.get(key)) for key in fields} for point in points],
            "notes": [text(note) for note in notes if note],
        }

    @contextmanager
    def attempt(self, *figures: str) -> Iterator[None]:
        """Says of those figures why they are not available where the block raises that."""
        try:
            yield
        except NotAvailable as error:
            self.not_available += [
                {"figure": each, "code": str(error.code), "reason": text(error.reason)}
                for each in figures
                if each not in self.figures
            ]

    def say(self, sentence: str) -> None:
        """Adds a sentence to the summary."""
        self.summary.append(text(sentence))


def plain(value: Any) -> Any:
    """Gives a value as JSON has it: no NaN or infinity, dates in ISO 8601, texts made safe."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return label(value)
    found = float(value)
    # Adding zero makes minus zero plain.
    return float(f"{found:.{DIGITS}g}") + 0.0 if math.isfinite(found) else None


def text(value: str) -> str:
    """Replaces what PostgreSQL's JSON can't hold: NUL and surrogates on their own."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def label(value: object) -> str:
    """Gives a value of the data as a text of at most `LABEL_CHARACTERS`."""
    safe = text(str(value))
    return safe if len(safe) <= LABEL_CHARACTERS else safe[: LABEL_CHARACTERS - 1] + "…"


def percent(share: float) -> str:
    """Writes a share for people: ``57.6 %``."""
    return f"{100 * share:.1f} %"


def amount(value: float) -> str:
    """Writes a number for people: ``1,684,259`` or ``12.35``."""
    return f"{value:,.0f}" if abs(value) >= CENTS_MATTER_BELOW else f"{value:,.2f}"
