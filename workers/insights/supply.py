"""What supply learns from orders and deliveries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from workers.insights.intervals import SHARE_FIELDS, share
from workers.insights.periods import Period, series
from workers.insights.report import NotAvailable, Reason, Unit, percent
from workers.insights.risk import Question, add_risk, figures_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engines.progress import Progress
    from workers.insights.profiles import Profile
    from workers.insights.report import Report
    from workers.insights.roles import Roles
    from workers.insights.table import Column, Table

MOST_GROUPS = 50
FURTHEST = 30
"""Days early or late beyond which deliveries are counted together."""

SIGNIFICANCE = 0.01
"""Likelihood of a difference by chance below which it is said to be one."""

LATE_FIELDS = {
    **SHARE_FIELDS,
    "share": (Unit.SHARE, "Share late"),
    "late": (Unit.ROWS, "Late"),
    "rows": (Unit.ROWS, "Deliveries"),
}
RATES = ("late_by_region", "late_by_category", "late_by_month")
RISK = "late_risk"

LATER = re.compile(
    r"\b(?:ship|shipped|shipping|shipment|dispatch|dispatched|deliver|delivered|delivery|arrival|"
    r"arrived|received|actual|real|late|lateness|delay|delayed|overdue|on time|status|state of|"
    r"profit|margin|benefit|refund|refunded|return|returned|cancel|cancelled|canceled|review|"
    r"rating|feedback|complaint|completed|closed|finished|days taken|lead time|transit time)\b"
)
"""Words of what is known only once goods are on their way or later, or changes until then.

Profit is among them: what a delivery cost is part of it.
"""

BEFORE = re.compile(
    r"\b(?:promise|promised|expected|estimated|scheduled|planned|target|mode|class|method|"
    r"address|street|city|country|region|zip|zipcode|postcode|latitude|longitude|limit)\b"
)
"""Words of what is known at the order though it is about shipping, such as a shipping mode."""


def add_supply(
    report: Report, table: Table, found: Sequence[Profile], roles: Roles, progress: Progress
) -> None:
    """Adds all that the deliveries of a table allow."""
    progress.stage("Comparing promised and actual days", 10, 30)
    notes = _make_deliveries(table, roles)
    with report.attempt("promised_and_actual", "delays", *RATES, *figures_of(RISK)):
        counts = table.record("count(*) as rows, sum(late) as late", "deliveries")
        if not counts["rows"]:
            raise NotAvailable(Reason.NO_VALUES, "Of no row it is known whether it is late.")
        _add_promises(report, table, share(int(counts["late"]), counts["rows"]), notes)
        for group in ("region", "category"):
            with report.attempt(f"late_by_{group}"):
                _add_groups(report, table, roles, group)
        with report.attempt("late_by_month"):
            _add_months(report, table, roles)
        progress.stage("Learning what makes deliveries late", 30, 98)
        _add_late_risk(report, table, found, roles, progress)


def _make_deliveries(table: Table, roles: Roles) -> list[str]:
    """Makes the view ``deliveries`` of the rows of which it is known whether they are late.

    It has the columns of ``data`` and time, promised and actual (days), late (0 or 1), region and
    category; those that the data has not are NULL. Gives what is to be said of it.
    """
    ordered, finished, due = (
        roles.get(each) for each in ("ordered_at", "finished_at", "promised_at")
    )
    days, taken, flag = (roles.get(each) for each in ("promised_days", "actual_days", "late"))
    promised = days.value if days else _days(ordered, due)
    actual = taken.value if taken else _days(ordered, finished)
    if promised and actual:
        late, rule = f"{actual} > {promised}", "what took more days of the calendar than promised"
    elif due and finished:
        late, rule = f"{_days(due, finished)} > 0", "what ended on a later day than promised"
    elif flag is not None:
        late, rule = flag.truth, f"what the column “{flag.name}” says"
    else:
        raise ValueError("nothing tells what is late")
    columns = {
        "time": roles.value("ordered_at", "TIMESTAMP"),
        "promised": promised or "cast(null as DOUBLE)",
        "actual": actual or "cast(null as DOUBLE)",
        "late": f"cast({late} as INTEGER)",
        "region": roles.key("region"),
        "category": roles.key("category"),
    }
    table.view("rated", ", ".join(["*", *(f"{sql} as {name}" for name, sql in columns.items())]))
    # What ended before it began is a mistake of whoever wrote it down.
    table.view("deliveries", "*", "rated", "where late is not null and coalesce(actual, 0) >= 0")
    left = table.record(
        "count(*) filter (actual < 0) as wrong,"
        " count(*) filter (late is null and coalesce(actual, 0) >= 0) as unknown",
        "rated",
    )
    return [
        f"Late is {rule}.",
        f"{left['wrong']} rows that ended before they began do not count." if left["wrong"] else "",
        f"{left['unknown']} rows lack what tells whether they are late." if left["unknown"] else "",
    ]


def _days(start: Column | None, end: Column | None) -> str | None:
    """Gives the SQL of the days of the calendar between two moments: 0 on the same day.

    A promise of days is one of days of the calendar, whatever the hour of the order.
    """
    if start is None or end is None:
        return None
    days = f"date_diff('day', cast({start.value} as DATE), cast({end.value} as DATE))"
    return f"cast({days} as DOUBLE)"


def _add_promises(report: Report, table: Table, late: dict[str, Any], notes: Sequence[str]) -> None:
    rows = late["rows"]
    found = table.record(
        "sum(late) as late, avg(promised) as promised_mean, avg(actual) as actual_mean,"
        " median(actual) as actual_median,"
        " avg(actual - promised) filter (actual > promised) as days_late_mean,"
        " avg(cast(actual < promised as INTEGER)) as early_share",
        "deliveries",
    )
    fields = {
        **LATE_FIELDS,
        "promised_mean": (Unit.DAYS, "Promised, mean"),
        "actual_mean": (Unit.DAYS, "Actual, mean"),
        "actual_median": (Unit.DAYS, "Actual, median"),
        "days_late_mean": (Unit.DAYS, "Days beyond the promise of those late, mean"),
        "early_share": (Unit.SHARE, "Share earlier than promised"),
    }
    title, points = "Promised and actual days", [{**found, **late}]
    report.figure("promised_and_actual", title, "numbers", fields, points, rows=rows, notes=notes)
    report.say(f"{percent(late['share'])} of {rows:,} deliveries are late.")
    with report.attempt("delays"):
        if found["promised_mean"] is None or found["actual_mean"] is None:
            raise NotAvailable(Reason.NO_COLUMN, "The data has no promised and actual days.")
        report.say(
            f"On average {found['promised_mean']:.1f} days are promised, and"
            f" {found['actual_mean']:.1f} taken."
        )
        _add_delays(report, table)


def _add_delays(report: Report, table: Table) -> None:
    points = table.records(
        f"greatest(least(floor(actual - promised), {FURTHEST}), {-FURTHEST}) as days,"
        " count(*) as rows",
        "deliveries",
        "where actual - promised is not null group by 1 order by 1",
    )
    fields = {"days": (Unit.DAYS, "Days later than promised"), "rows": LATE_FIELDS["rows"]}
    rows = sum(each["rows"] for each in points)
    notes = [f"From {FURTHEST} days on they are counted together."]
    report.figure("delays", "How late, how early", "bar", fields, points, rows=rows, notes=notes)


def _add_groups(report: Report, table: Table, roles: Roles, group: str) -> None:
    roles.need(group)
    found = table.records(
        f"{group}, count(*) as all_rows, sum(late) as late",
        "deliveries",
        f"where {group} is not null group by 1 order by 2 desc, 1",
    )
    if not found:
        raise NotAvailable(Reason.NO_VALUES, f"No delivery has a {group}.")
    points = [{**each, **share(int(each["late"]), each["all_rows"])} for each in found]
    chance = _chance(points)
    differ = "more than" if chance < SIGNIFICANCE else "no more than"
    notes = [
        f"The shares differ {differ} by chance (chi-squared test, p = {chance:.2g}).",
        f"The {MOST_GROUPS} with the most deliveries are shown."
        if len(points) > MOST_GROUPS
        else "",
    ]
    rows, shown = sum(each["rows"] for each in points), points[:MOST_GROUPS]
    fields = {group: (Unit.TEXT, group.capitalize()), **LATE_FIELDS}
    title = f"Share late by {group}"
    report.figure(f"late_by_{group}", title, "bar", fields, shown, rows=rows, notes=notes)
    if chance >= SIGNIFICANCE:
        report.say(f"By {group} the share late differs no more than by chance.")
        return
    worst, best = max(shown, key=lambda each: each["lower"]), min(shown, key=lambda e: e["upper"])
    report.say(
        f"By {group}, {worst[group]} is late most ({percent(worst['share'])}), {best[group]} least"
        f" ({percent(best['share'])})."
    )


def _chance(points: list[dict[str, Any]]) -> float:
    """Gives how likely chance alone makes groups differ as much (Pearson's chi-squared test)."""
    from scipy.special import chdtrc  # noqa: PLC0415 - only groups pay for its import

    late, rows = (sum(each[name] for each in points) for name in ("late", "rows"))
    if len(points) == 1 or late in (0, rows):
        return 1.0
    part = late / rows
    deviation = sum(
        (each["late"] - part * each["rows"]) ** 2 / (part * (1 - part) * each["rows"])
        for each in points
    )
    return float(chdtrc(len(points) - 1, deviation))


def _add_months(report: Report, table: Table, roles: Roles) -> None:
    roles.need("ordered_at")
    found = series(table, "deliveries", Period.MONTH, "sum(late) as late", {})
    points = [{**each, **share(int(each["late"]), each["rows"])} for each in found if each["rows"]]
    fields = {"date": (Unit.DATE, Period.MONTH.label), **LATE_FIELDS}
    rows = sum(each["rows"] for each in points)
    title = "Share late by month of the order"
    report.figure("late_by_month", title, "line", fields, points, rows=rows)


def _add_late_risk(
    report: Report, table: Table, found: Sequence[Profile], roles: Roles, progress: Progress
) -> None:
    """Only what is known when goods are ordered is a feature."""
    later = {
        column.at for role in ("finished_at", "actual_days", "late") for column in roles.all(role)
    }
    later |= {
        each.column.at
        for each in found
        if LATER.search(each.words) and not BEFORE.search(each.words)
    }
    why = "It is known only afterwards, or may change until then."
    question = Question(
        name=RISK,
        title="Which deliveries will be late",
        event="late",
        outcome="late",
        relation="deliveries",
        omitted=dict.fromkeys(later, why),
        time=roles.get("ordered_at"),
    )
    add_risk(report, table, found, question, progress)
