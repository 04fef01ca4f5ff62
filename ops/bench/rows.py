"""What a bench prints: rows of one form, as a table for people or as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value; ``ratio`` is it over the same metric of ``reference``."""

    bench: str
    case: str
    metric: str
    value: float
    unit: str
    reference: str | None = None
    ratio: float | None = None


def compared(
    bench: str, case: str, metric: str, value: float, unit: str, reference: str, other: float
) -> Row:
    """Makes the row of a value that was measured beside a reference's."""
    return Row(bench, case, metric, value, unit, reference, value / other)


def ninth_decile(values: list[float]) -> float:
    """The value that nine of ten do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]


def print_rows(rows: Iterable[Row], *, as_json: bool) -> None:
    """Prints each row as soon as there is one with ``as_json``, else a table at the end."""
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)), flush=True)
        return
    table = Table(
        "bench",
        "case",
        "metric",
        Column("value", justify="right"),
        "unit",
        "reference",
        Column("ratio", justify="right"),
    )
    for row in rows:
        ratio = "" if row.ratio is None else _short(row.ratio)
        reference = row.reference or ""
        table.add_row(
            row.bench, row.case, row.metric, _short(row.value), row.unit, reference, ratio
        )
    Console().print(table)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 (four digits)
