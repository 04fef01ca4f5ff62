"""Amounts that are unlike the others of their column, each with what makes it so."""

from __future__ import annotations

from math import sinh
from typing import TYPE_CHECKING, Any

from workers.insights.report import NotAvailable, Reason, Unit, amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.insights.report import Report
    from workers.insights.table import Column, Table

LEAST_ROWS = 50
MOST_SHOWN = 5
"""Of each column, those that are listed."""

FAR = 6.0
"""Robust standard deviations from the middle from which an amount is unlike the others: of normally
distributed ones two in a thousand million lie so far off."""

MOST_UNUSUAL = 0.01
"""The part of a column that may be unusual; where more lie far off the bound is put further out."""

CONSISTENT = 1.4826
"""Times the median absolute deviation is the standard deviation of normally distributed values
(Rousseeuw and Croux 1993, JASA 88:1273)."""

FIELDS = {
    "column": (Unit.TEXT, "Column"),
    "row": (Unit.NUMBER, "Row of the cleaned file, from 1"),
    "name": (Unit.TEXT, "What names the row"),
    "amount": (Unit.MONEY, "Amount"),
    "usual_from": (Unit.MONEY, "Usual, from"),
    "usual_to": (Unit.MONEY, "Usual, to"),
    "deviation": (Unit.NUMBER, "Robust standard deviations from the middle"),
    "why": (Unit.TEXT, "Why"),
}


def add_anomalies(
    report: Report, table: Table, columns: Sequence[Column], name: Column | None
) -> None:
    """Adds the figures ``anomalies`` and ``anomaly_counts``. `name` is of what names a row.

    Amounts are compared on the scale of asinh(amount / median size): even about zero and
    logarithmic far from it, so it takes both signs and the long tails that amounts have.
    """
    checked = [each for column in columns if (each := _checked(table, column, name))]
    if not checked:
        reason = f"No column has {LEAST_ROWS} amounts of which most differ, to tell what is usual."
        raise NotAvailable(Reason.TOO_FEW_ROWS, reason)
    shown = sorted(
        (point for each in checked for point in each["points"]),
        key=lambda point: (-point["deviation"], point["row"]),
    )
    rows = table.rows
    notes = [f"Of each column up to {MOST_SHOWN} are listed, the furthest first."]
    report.figure("anomalies", "Anomalies", "table", FIELDS, shown, rows=rows, notes=notes)
    fields = {
        "column": FIELDS["column"],
        "found": (Unit.ROWS, "Amounts found"),
        "rows": (Unit.ROWS, "Amounts looked at"),
        "usual_from": FIELDS["usual_from"],
        "usual_to": FIELDS["usual_to"],
    }
    title = "Anomalies by column"
    report.figure("anomaly_counts", title, "bar", fields, checked, rows=rows)
    count = sum(each["found"] for each in checked)
    first = f"{count} amounts are unlike the others; furthest: {shown[0]['why']}" if shown else ""
    report.say(first or "No amount is unlike the others.")


def _checked(table: Table, column: Column, name: Column | None) -> dict[str, Any] | None:
    value = column.value
    size = table.record(
        f"count({value}) as rows, median(abs({value})) filter ({value} <> 0) as size,"
        f" min({value}) as lowest, max({value}) as highest"
    )
    if size["rows"] < LEAST_ROWS or size["size"] is None:
        return None
    named = name.key if name else "cast(null as VARCHAR)"
    scale = float(size["size"])
    table.view(
        "placed",
        f"n, {named} as name, {value} as x, asinh({value} / {scale!r}) as place",
        "data",
        f"where {value} is not null",
    )
    found = table.record("median(place) as middle, mad(place) as spread", "placed")
    middle, spread = float(found["middle"]), CONSISTENT * float(found["spread"])
    if not spread:
        return None
    deviation = f"abs(place - {middle!r}) / {spread!r}"
    bound = table.record(f"quantile_disc({deviation}, {1 - MOST_UNUSUAL}) as bound", "placed")
    far = max(FAR, float(bound["bound"]))
    # No more is called usual than what there is.
    low = max(scale * sinh(middle - far * spread), size["lowest"])
    high = min(scale * sinh(middle + far * spread), size["highest"])
    outside = f"where {deviation} > {far!r}"
    rows = table.records(
        f"n, name, x, {deviation} as deviation",
        "placed",
        f"{outside} order by deviation desc, n limit {MOST_SHOWN}",
    )
    usual = f"usual are {amount(low)} to {amount(high)}, with {amount(scale * sinh(middle))}"
    return {
        "column": column.name,
        "rows": size["rows"],
        "found": table.record("count(*) as found", "placed", outside)["found"],
        "usual_from": low,
        "usual_to": high,
        "points": [
            {
                "column": column.name,
                "row": row["n"] + 1,
                "name": row["name"],
                "amount": row["x"],
                "usual_from": low,
                "usual_to": high,
                "deviation": row["deviation"],
                "why": f"“{column.name}” is {amount(row['x'])}; {usual} in the middle.",
            }
            for row in rows
        ],
    }
