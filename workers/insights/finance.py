"""What finance learns from amounts."""

from __future__ import annotations

import re
from itertools import combinations
from math import ceil, sqrt
from statistics import median
from typing import TYPE_CHECKING, Any

from workers.insights.anomalies import add_anomalies
from workers.insights.intervals import Z_95
from workers.insights.names import words_of
from workers.insights.periods import Period, series
from workers.insights.report import NotAvailable, Reason, Unit, amount, percent
from workers.insights.risk import Question, add_risk, figures_of
from workers.insights.table import Column, Family, quoted
from workers.insights.vocabulary import OUTCOME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engines.progress import Progress
    from workers.insights.profiles import Profile
    from workers.insights.report import Report
    from workers.insights.roles import Roles
    from workers.insights.table import Table

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
CLASSES = 20
PARTS = 20
"""Points of the Lorenz curve between no one and everyone."""

LEAST_HOLDERS, LARGEST = 10, 10
DAYS_UP_TO, WEEKS_UP_TO = 92, 400
"""Days that the data covers, up to which it is shown by day, and by week; above by month."""

LEAST_PERIODS, MOST_SLOPES = 8, 400
RISK = "outcome_risk"

YES = re.compile(
    r"y|yes|true|t|1|bad|positive|default|defaulted|fraud|fraudulent|churned|late|overdue|unpaid|"
    r"charged off|delinquent|disputed",
    re.IGNORECASE,
)
LATER = re.compile(
    r"\b(?:recovery|recoveries|recovered|collection|collected|charge off|charged off|chargeback|"
    r"write off|written off|writeoff|settlement|settled|resolution|resolved|dpd|past due)\b"
)
"""Words of what follows from an outcome such as a default, and is not known before it."""

STEM = 5
"""Letters of an outcome's word by which columns made from it are told: defau(lt), fraud, churn."""


def add_finance(
    report: Report, table: Table, found: Sequence[Profile], roles: Roles, progress: Progress
) -> None:
    """Adds all that the amounts of a table allow.

    The surest column of amounts is the one that trend and distribution are of.
    """
    columns = roles.all("amount")
    progress.stage("Measuring amounts", 10, 20)
    _add_amounts(report, table, columns)
    with report.attempt("amount_distribution"):
        _add_distribution(report, table, columns[0])
    with report.attempt("concentration", "lorenz_curve"):
        _add_concentration(report, table, columns, roles.get("entity"))
    with report.attempt("largest"):
        _add_largest(report, table, columns[0], roles)
    with report.attempt("amounts_over_time", "trend"):
        _add_trend(report, table, columns[0], roles)
    progress.stage("Looking for anomalies", 20, 30)
    with report.attempt("anomalies", "anomaly_counts"):
        add_anomalies(report, table, columns, roles.get("identifier") or roles.get("entity"))
    progress.stage("Learning what goes with the outcome", 30, 98)
    with report.attempt(*figures_of(RISK)):
        add_risk(report, table, found, _question(table, found, roles), progress)


def _add_amounts(report: Report, table: Table, columns: Sequence[Column]) -> None:
    points = []
    for column in columns:
        value = column.value
        quantiles = ", ".join(
            f"quantile_cont({value}, {share}) as {name}" for name, share in QUANTILES.items()
        )
        found = table.record(
            f"count({value}) as rows, coalesce(fsum({value}), 0) as total,"
            f" fsum({value}) / nullif(count({value}), 0) as mean, min({value}) as lowest,"
            f" max({value}) as highest, avg(cast({value} = 0 as INTEGER)) as zero_share,"
            f" avg(cast({value} < 0 as INTEGER)) as negative_share, {quantiles}"
        )
        points.append({"column": column.name, **found})
    fields = {
        "column": (Unit.TEXT, "Column"),
        "rows": (Unit.ROWS, "Rows with an amount"),
        "total": (Unit.MONEY, "Total"),
        "mean": (Unit.MONEY, "Mean"),
        "lowest": (Unit.MONEY, "Lowest"),
        **{
            name: (Unit.MONEY, "Median" if name == "median" else f"{share:.0%} stay below")
            for name, share in QUANTILES.items()
        },
        "highest": (Unit.MONEY, "Highest"),
        "zero_share": (Unit.SHARE, "Share that is zero"),
        "negative_share": (Unit.SHARE, "Share below zero"),
    }
    report.figure("amounts", "Amounts", "table", fields, points, rows=table.rows)
    first = points[0]
    report.say(
        f"“{first['column']}” adds up to {amount(first['total'])} in {first['rows']:,} rows, with"
        f" {amount(first['median'])} in the middle."
    )


def _add_distribution(report: Report, table: Table, column: Column) -> None:
    value = column.value
    found = table.record(
        f"quantile_cont({value}, 0.01) as low, quantile_cont({value}, 0.99) as high"
    )
    low, high = found["low"], found["high"]
    if low == high:
        reason = f"Nearly all amounts in “{column.name}” are {amount(low)}."
        raise NotAvailable(Reason.NO_VARIATION, reason)
    width = (high - low) / CLASSES
    place = f"floor(({value} - {low!r}) / {width!r})"
    counted = table.records(
        f"greatest(least({place}, {CLASSES - 1}), 0) as class, count(*) as rows",
        "data",
        f"where {value} is not null group by 1",
    )
    rows = {int(each["class"]): each["rows"] for each in counted}
    points = [
        {"from": low + width * at, "to": low + width * (at + 1), "rows": rows.get(at, 0)}
        for at in range(CLASSES)
    ]
    fields = {
        "from": (Unit.MONEY, "From"),
        "to": (Unit.MONEY, "To below"),
        "rows": (Unit.ROWS, "Rows"),
    }
    notes = ["The 1 % that are less and the 1 % that are more count in the outer classes."]
    title, total = f"Distribution of “{column.name}”", sum(rows.values())
    report.figure("amount_distribution", title, "bar", fields, points, rows=total, notes=notes)


def _add_concentration(
    report: Report, table: Table, columns: Sequence[Column], entity: Column | None
) -> None:
    """Only sums above zero can be shares of a whole; where most are below, these are looked at."""
    measured = [each for column in columns if (each := _concentration(table, column, entity))]
    if not measured:
        reason = f"No column of amounts has {LEAST_HOLDERS} sums above zero."
        raise NotAvailable(Reason.TOO_FEW_ROWS, reason)
    who = f"Values of “{entity.name}”" if entity else "Rows"
    fields = {
        "column": (Unit.TEXT, "Column"),
        "holders": (Unit.NUMBER, f"{who} with an amount"),
        "total": (Unit.MONEY, "Their total"),
        "gini": (Unit.NUMBER, "Gini coefficient: 0 if all have the same, 1 if one has all"),
        "top_1": (Unit.SHARE, "Share of the top 1 %"),
        "top_10": (Unit.SHARE, "Share of the top 10 %"),
        "top_20": (Unit.SHARE, "Share of the top 20 %"),
        "left_out": (Unit.NUMBER, "Left out: zero, or of the other sign"),
        "rows": (Unit.ROWS, "Rows"),
    }
    title, rows = "Concentration", table.rows
    report.figure("concentration", title, "table", fields, measured, rows=rows)
    first = measured[0]
    report.say(
        f"The top 10 % have {percent(first['top_10'])} of “{first['column']}”"
        f" (Gini coefficient {first['gini']:.2f})."
    )
    fields = {
        "holders": (Unit.SHARE, f"Share of {who.lower()}, from the smallest"),
        "amount": (Unit.SHARE, "Share of the total that they have"),
    }
    title, rows = f"Lorenz curve of “{first['column']}”", first["rows"]
    report.figure("lorenz_curve", title, "line", fields, first["curve"], rows=rows)


def _concentration(table: Table, column: Column, entity: Column | None) -> dict[str, Any] | None:
    known = f"where {column.value} is not null"
    if entity is None:
        table.view("sums", f"{column.value} as x, 1 as rows", "data", known)
    else:
        grouped = f"{known} and {entity.key} is not null group by {entity.key}"
        table.view("sums", f"fsum({column.value}) as x, count(*) as rows", "data", grouped)
    signs = table.record(
        "count(*) filter (x > 0) as above, count(*) filter (x < 0) as below, count(*) as every",
        "sums",
    )
    sign = -1 if signs["below"] > signs["above"] else 1
    count = max(signs["above"], signs["below"])
    if count < LEAST_HOLDERS:
        return None
    place = f"{sign} * x as x, rows, row_number() over (order by {sign} * x) as place"
    table.view("placed", place, "sums", f"where {sign} * x > 0")
    tops = {f"top_{part}": count - ceil(count * part / 100) for part in (1, 10, 20)}
    steps = [count * part // PARTS for part in range(PARTS + 1)]
    listed = [f"fsum(x) filter (place > {below}) as {name}" for name, below in tops.items()]
    listed += [
        f"coalesce(fsum(x) filter (place <= {step}), 0) as part{at}"
        for at, step in enumerate(steps)
    ]
    found = table.record(
        "fsum(x) as total, fsum(place * x) as weighted, sum(rows) as rows, " + ", ".join(listed),
        "placed",
    )
    total = found["total"]
    return {
        "column": column.name,
        "holders": count,
        "total": sign * total,
        # Dixon et al. 1987, Ecology 68:1548: from the ordered amounts, without the small sample's
        # correction.
        "gini": 2 * found["weighted"] / (count * total) - (count + 1) / count,
        **{name: found[name] / total for name in tops},
        "left_out": signs["every"] - count,
        "rows": int(found["rows"]),
        "curve": [
            {"holders": step / count, "amount": found[f"part{at}"] / total}
            for at, step in enumerate(steps)
        ],
    }


def _add_largest(report: Report, table: Table, column: Column, roles: Roles) -> None:
    name = roles.get("entity") or roles.need("identifier")
    known = f"where {name.key} is not null and {column.value} is not null"
    found = table.records(
        f"{name.key} as name, fsum({column.value}) as total, count(*) as rows",
        "data",
        f"{known} group by 1 order by total desc, name limit {LARGEST}",
    )
    whole = table.record(f"fsum({column.value}) as total, count(*) as rows", "data", known)
    if not found:
        raise NotAvailable(Reason.NO_VALUES, f"No row has both “{name.name}” and an amount.")
    points = [
        {**each, "share": each["total"] / whole["total"] if whole["total"] > 0 else None}
        for each in found
    ]
    fields = {
        "name": (Unit.TEXT, name.name),
        "total": (Unit.MONEY, "Total"),
        "share": (Unit.SHARE, "Share of the total of all"),
        "rows": (Unit.ROWS, "Rows"),
    }
    title = f"Largest by “{column.name}”"
    report.figure("largest", title, "bar", fields, points, rows=whole["rows"])


def _add_trend(report: Report, table: Table, column: Column, roles: Roles) -> None:
    if roles.get("time") is None:
        report.say("Without dates or times in the data there is no trend and no forecast.")
    time, value = roles.need("time").value, column.value
    table.view("dated", f"{time} as time, {value} as x", "data", f"where {value} is not null")
    days = table.record("date_diff('day', min(time), max(time)) + 1 as days", "dated")["days"] or 0
    period = Period.MONTH
    if days <= WEEKS_UP_TO:
        period = Period.DAY if days <= DAYS_UP_TO else Period.WEEK
    measures = "fsum(x) as total, fsum(x) / count(*) as mean"
    points = series(table, "dated", period, measures, {"total": 0.0, "mean": None})
    rows = sum(each["rows"] for each in points)
    fields = {
        "date": (Unit.DATE, period.label),
        "total": (Unit.MONEY, "Total"),
        "mean": (Unit.MONEY, "Mean"),
        "rows": (Unit.ROWS, "Rows"),
        "whole": (Unit.YES_NO, f"Whether the data covers the whole {period}"),
    }
    title = f"“{column.name}” by {period}"
    report.figure("amounts_over_time", title, "line", fields, points, rows=rows)
    whole = [each for each in points if each["whole"]][-MOST_SLOPES:]
    if len(whole) < LEAST_PERIODS:
        reason = f"The data covers {len(whole)} whole {period}s; a trend needs {LEAST_PERIODS}."
        raise NotAvailable(Reason.TOO_FEW_ROWS, reason)
    point = trend([each["total"] for each in whole])
    fields = {
        "slope": (Unit.MONEY, f"Change of the total from one {period} to the next"),
        "direction": (Unit.TEXT, "rises, falls, or unclear where chance could make it"),
        "z": (
            Unit.NUMBER,
            f"Standard errors that Kendall's statistic is from none; {Z_95:.2f} tell",
        ),
        "periods": (Unit.NUMBER, f"Whole {period}s"),
    }
    notes = ["The test takes periods to be independent of each other."]
    rows = sum(each["rows"] for each in whole)
    report.figure("trend", "Trend", "numbers", fields, [point], rows=rows, notes=notes)
    if point["direction"] == "unclear":
        report.say("Totals neither rise nor fall beyond doubt.")
    else:
        report.say(f"The total {point['direction']} by {amount(abs(point['slope']))} a {period}.")


def trend(totals: Sequence[float]) -> dict[str, Any]:
    """Gives the slope of a series and whether it is one beyond doubt.

    The slope is the median of those between all pairs (Sen 1968, JASA 63:1379), which a few odd
    periods do not move; the test is Mann and Kendall's (Mann 1945, Econometrica 13:245).
    """
    pairs = [(late - early, b - a) for (early, a), (late, b) in combinations(enumerate(totals), 2)]
    rises = sum((rise > 0) - (rise < 0) for _, rise in pairs)
    count = len(totals)
    error = sqrt(count * (count - 1) * (2 * count + 5) / 18)
    z = (rises - (rises > 0) + (rises < 0)) / error
    return {
        "slope": median(rise / steps for steps, rise in pairs),
        "direction": "unclear" if abs(z) < Z_95 else "rises" if z > 0 else "falls",
        "z": z,
        "periods": count,
    }


def _question(table: Table, found: Sequence[Profile], roles: Roles) -> Question:
    column = roles.need("outcome")
    # The rarer value is the event, unless the other one is a word for it.
    values = table.records(
        f"{column.value} as plain, {column.key} as name, count(*) as rows",
        "data",
        f"where {column.value} is not null group by all order by rows, plain desc limit 3",
    )
    if len(values) != 2:  # noqa: PLR2004 - binary
        reason = f"“{column.name}” has not two values but {'more' if values[2:] else 'one'}."
        raise NotAvailable(Reason.NO_VARIATION, reason)
    if column.family is Family.TEXT:
        event = next((each for each in values if YES.fullmatch(each["plain"])), values[0])
        same = f"{column.value} = {quoted(event['plain'])}"
    else:
        event = max(values, key=lambda each: each["plain"])
        same = f"{column.value} = {event['plain']}"
    stems = {word[:STEM] for word in re.findall(rf"\b(?:{OUTCOME})\b", words_of(column.name))}
    later = "It is known only afterwards, or made from the outcome."
    omitted = {
        each.column.at: later
        for each in found
        if LATER.search(each.words) or any(word[:STEM] in stems for word in each.words.split())
    }
    named = {each.at: "It names rows." for each in (*roles.all("identifier"), *roles.all("entity"))}
    entity = roles.get("entity")
    return Question(
        name=RISK,
        title=f"Which rows will have the outcome “{column.name}”",
        event=f"“{column.name}” = {event['name']}",
        outcome=f"cast({same} as INTEGER)",
        relation="data",
        omitted={**omitted, **named, column.at: "It is the outcome."},
        time=roles.get("time"),
        group=entity.key if entity else None,
    )
