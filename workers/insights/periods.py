"""Days, weeks and months: series of what a table has in each, without holes."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from workers.insights.report import NotAvailable, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.insights.table import Table

MOST_PERIODS = 1100
"""Points of a series: three years of days. Of longer ones the latest part is shown."""

MONTHS = 12


class Period(StrEnum):
    """How long each point of a series is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def label(self) -> str:
        """What the date of a point means."""
        return {
            Period.DAY: "Day",
            Period.WEEK: "Monday of the week",
            Period.MONTH: "First day of the month",
        }[self]

    def after(self, start: date, count: int = 1) -> date:
        """Gives the first day of the period that comes `count` periods after the one of `start`."""
        if self is Period.MONTH:
            months = start.year * MONTHS + start.month - 1 + count
            return date(months // MONTHS, months % MONTHS + 1, 1)
        return start + timedelta(days=count * (7 if self is Period.WEEK else 1))

    def between(self, first: date, last: date) -> int:
        """Gives the number of periods from one that begins at a day to another."""
        if self is Period.MONTH:
            return (last.year - first.year) * MONTHS + last.month - first.month
        return (last - first).days // (7 if self is Period.WEEK else 1)


def series(
    table: Table,
    relation: str,
    period: Period,
    measures: str,
    nothing: Mapping[str, Any],
    condition: str = "true",
) -> list[dict[str, Any]]:
    """Gives the measures (SQL) of each period by the column ``time``, `nothing` where it is empty.

    Each point has ``date``, the first day of its period (weeks begin on Monday, ISO 8601),
    ``rows``, and ``whole``: whether the data reaches over all of it. Raises `NotAvailable` without
    a time.
    """
    found = table.records(
        f"cast(date_trunc('{period}', time) as DATE) as date, count(*) as rows, {measures}",
        relation,
        f"where time is not null and {condition} group by 1 order by 1",
    )
    if not found:
        raise NotAvailable(Reason.NO_VALUES, "No row has both a time and a value.")
    span = table.record(
        "cast(min(time) as DATE) as first, cast(max(time) as DATE) as last",
        relation,
        f"where {condition}",
    )
    known = {point["date"]: point for point in found}
    count = period.between(found[0]["date"], found[-1]["date"]) + 1
    points = []
    for number in range(max(count - MOST_PERIODS, 0), count):
        start = period.after(found[0]["date"], number)
        whole = span["first"] <= start and period.after(start) <= span["last"] + timedelta(days=1)
        points.append({**nothing, "date": start, "rows": 0, **known.get(start, {}), "whole": whole})
    return points
