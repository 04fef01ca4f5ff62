"""What sales learn from invoice lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.insights.forecast import FORECAST, add_forecast
from workers.insights.periods import MOST_PERIODS, Period, series
from workers.insights.report import NotAvailable, Reason, Unit, amount, percent
from workers.insights.table import Family
from workers.insights.vocabulary import CANCEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engines.progress import Progress
    from workers.insights.profiles import Profile
    from workers.insights.report import Report
    from workers.insights.roles import Roles
    from workers.insights.table import Table

BEST = 10
CANCEL_NUMBER, PLAIN_NUMBER = "^[Cc][-_ ]?[0-9]+$", "^[0-9]+$"
PLAIN_SHARE = 0.5
SIZES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))
"""Classes of baskets by their number of lines, both ends included."""

SOLD = "revenue > 0 and not cancelled"
MEASURES = (
    f"coalesce(fsum(revenue) filter ({SOLD}), 0) + coalesce(fsum(revenue) filter (revenue < 0), 0)"
    f" as revenue, coalesce(fsum(revenue) filter ({SOLD}), 0) as gross,"
    " coalesce(-fsum(revenue) filter (revenue < 0), 0) as returned,"
    f" count(distinct order_key) filter ({SOLD}) as orders"
)
"""Gross is what lines above zero that were not cancelled add up to; what lines below zero take back
is returned; revenue is the difference."""

NOTHING = {"revenue": 0.0, "gross": 0.0, "returned": 0.0, "orders": 0}
FIELDS = {
    "revenue": (Unit.MONEY, "Revenue, returns taken off"),
    "gross": (Unit.MONEY, "Revenue before returns"),
    "returned": (Unit.MONEY, "Cancelled or returned"),
    "orders": (Unit.ORDERS, "Orders"),
    "rows": (Unit.ROWS, "Lines"),
}


def add_sales(
    report: Report, table: Table, _found: Sequence[Profile], roles: Roles, progress: Progress
) -> None:
    """Adds all that the lines of a table allow."""
    progress.stage("Adding up revenue", 10, 60)
    cancelled_by = _make_lines(table, roles)
    rows = table.record("count(*) as rows", "lines")["rows"]
    figures = ("revenue", "revenue_by_day", "revenue_by_week", "best_products", "best_customers")
    with report.attempt(*figures, "returns", "basket", "basket_sizes", *FORECAST):
        if not rows:
            raise NotAvailable(Reason.NO_VALUES, "No line has a revenue.")
        _add_revenue(report, table, rows)
        for period in (Period.DAY, Period.WEEK):
            with report.attempt(f"revenue_by_{period}"):
                _add_series(report, table, roles, period)
        for thing in ("product", "customer"):
            with report.attempt(f"best_{thing}s"):
                _add_best(report, table, roles, thing)
        _add_returns(report, table, roles, rows, cancelled_by)
        with report.attempt("basket", "basket_sizes"):
            _add_baskets(report, table, roles)
        progress.stage("Forecasting revenue", 60, 98)
        with report.attempt(*FORECAST):
            roles.need("time")
            add_forecast(report, table)


def _make_lines(table: Table, roles: Roles) -> str:
    """Makes the view ``lines`` of the rows that have a revenue, and says how cancelled are told.

    Its columns are time, order_key, product, product_name, customer, quantity, revenue and
    cancelled; those that the data has not are NULL.
    """
    cancelled, cancelled_by = _cancelled(table, roles)
    priced = [roles.get("quantity"), roles.get("unit_price")]
    given, total = roles.is_given("amount"), roles.get("amount")
    product = " * ".join(each.value for each in priced if each)
    revenue = total.value if total and (given or None in priced) else product
    columns = {
        "time": roles.value("time", "TIMESTAMP"),
        "quantity": roles.value("quantity", "DOUBLE"),
        "revenue": revenue,
        "cancelled": cancelled,
        "order_key": roles.key("order"),
        **{each: roles.key(each) for each in ("product", "product_name", "customer")},
    }
    listed = ", ".join(f"{sql} as {name}" for name, sql in columns.items())
    table.view("all_lines", listed)
    table.view("lines", "*", "all_lines", "where revenue is not null")
    return cancelled_by


def _cancelled(table: Table, roles: Roles) -> tuple[str, str]:
    """Gives the SQL of whether a line is cancelled, never NULL, and the rule in words."""
    flag, status, order = (roles.get(each) for each in ("cancelled", "status", "order"))
    if flag is not None:
        told = f"coalesce({flag.truth}, false)"
        return told, f"The column “{flag.name}” says which are cancelled."
    if order is not None and order.family is Family.TEXT:
        told = f"coalesce(regexp_matches({order.key}, '{CANCEL_NUMBER}'), false)"
        plain = f"avg(cast(regexp_matches({order.key}, '{PLAIN_NUMBER}') as INTEGER)) as plain"
        found = table.record(f"bool_or({told}) as found, {plain}")
        if found["found"] and found["plain"] > PLAIN_SHARE:
            return told, f"Numbers in “{order.name}” that begin with C are cancellations."
    if status is not None:
        told = f"coalesce(regexp_matches({status.value}, '{CANCEL.pattern}', 'i'), false)"
        return told, f"The column “{status.name}” says which are cancelled or returned."
    return "false", "Nothing in the data tells cancelled lines from others."


def _add_revenue(report: Report, table: Table, rows: int) -> None:
    total = {**table.record(MEASURES, "lines"), "rows": rows}
    without = table.rows - rows
    notes = [f"{without} lines have no revenue." if without else ""]
    report.figure("revenue", "Revenue", "numbers", FIELDS, [total], rows=rows, notes=notes)
    report.say(
        f"Revenue is {amount(total['revenue'])}: {amount(total['gross'])} sold,"
        f" {amount(total['returned'])} cancelled or returned."
    )


def _add_series(report: Report, table: Table, roles: Roles, period: Period) -> None:
    roles.need("time")
    points = series(table, "lines", period, MEASURES, NOTHING)
    fields = {"date": (Unit.DATE, period.label), **FIELDS}
    if period is Period.WEEK:
        fields["whole"] = (Unit.YES_NO, "Whether the data covers all seven days")
    rows = sum(each["rows"] for each in points)
    cut = len(points) == MOST_PERIODS
    notes = [f"The latest {MOST_PERIODS} {period}s are shown." if cut else ""]
    title = f"Revenue by {period}"
    report.figure(f"revenue_by_{period}", title, "line", fields, points, rows=rows, notes=notes)


def _add_best(report: Report, table: Table, roles: Roles, thing: str) -> None:
    roles.need(thing)
    known = f"where {thing} is not null"
    whole = table.record(
        f"{MEASURES}, count(*) as rows, count(distinct {thing}) as things", "lines", known
    )
    # Equal revenues go by name, so that the order is the same every time.
    best = table.records(
        f"{thing}, {MEASURES}, count(*) as rows, fsum(quantity) as quantity,"
        " mode(product_name order by product_name) as name",
        "lines",
        f"{known} group by {thing} order by revenue desc, {thing} limit {BEST}",
    )
    if not best:
        raise NotAvailable(Reason.NO_VALUES, f"No line has both a {thing} and a revenue.")
    total = whole["revenue"]
    points = [{**each, "share": each["revenue"] / total if total > 0 else None} for each in best]
    fields = {thing: (Unit.TEXT, thing.capitalize())}
    if thing == "product" and roles.get("product_name"):
        fields["name"] = (Unit.TEXT, "Its most frequent name")
    fields |= {
        "revenue": FIELDS["revenue"],
        "share": (Unit.SHARE, f"Share of the revenue of all {thing}s"),
        "quantity": (Unit.PIECES, "Pieces, returns taken off"),
        "orders": FIELDS["orders"],
        "rows": FIELDS["rows"],
    }
    without = table.record("count(*) as rows", "lines", f"where {thing} is null")["rows"]
    notes = [
        f"{whole['things']} {thing}s in all.",
        f"{without} lines have no {thing} and do not count." if without else "",
    ]
    title, rows = f"Best {thing}s by revenue", whole["rows"]
    report.figure(f"best_{thing}s", title, "bar", fields, points, rows=rows, notes=notes)
    first = points[0]
    named = f"{first[thing]} ({first['name']})" if "name" in fields else first[thing]
    share = f", {percent(first['share'])} of it" if first["share"] is not None else ""
    report.say(f"Of {whole['things']} {thing}s, {named} brings the most revenue{share}.")


def _add_returns(report: Report, table: Table, roles: Roles, rows: int, cancelled_by: str) -> None:
    found = table.record(
        f"{MEASURES}, count(distinct order_key) as all_orders,"
        " count(distinct order_key) filter (cancelled) as cancelled_orders,"
        " count(*) filter (cancelled) as cancelled_lines,"
        " count(*) filter (not cancelled and (quantity < 0 or revenue < 0)) as returned_lines,"
        " coalesce(-fsum(quantity) filter (quantity < 0), 0) as returned_pieces",
        "lines",
    )
    point = {
        **found,
        "returned_share": found["returned"] / found["gross"] if found["gross"] else None,
        "cancelled_share": found["cancelled_orders"] / max(found["all_orders"], 1),
    }
    fields = {
        "returned": FIELDS["returned"],
        "returned_share": (Unit.SHARE, "Its share of the revenue before returns"),
        "returned_pieces": (Unit.PIECES, "Pieces cancelled or returned"),
        "returned_lines": (Unit.ROWS, "Lines below zero that are not cancellations"),
        "cancelled_lines": (Unit.ROWS, "Cancelled lines"),
    }
    if roles.get("order"):
        fields["all_orders"] = (Unit.ORDERS, "Orders, cancellations among them")
        fields["cancelled_orders"] = (Unit.ORDERS, "Cancelled orders")
        fields["cancelled_share"] = (Unit.SHARE, "Share of orders that are cancellations")
        report.say(
            f"{found['cancelled_orders']} of {found['all_orders']} orders are cancellations"
            f" ({percent(point['cancelled_share'])})."
        )
    title = "Cancellations and returns"
    notes = [cancelled_by]
    report.figure("returns", title, "numbers", fields, [point], rows=rows, notes=notes)


def _add_baskets(report: Report, table: Table, roles: Roles) -> None:
    roles.need("order")
    table.view(
        "baskets",
        "count(*) as lines, fsum(quantity) as pieces, fsum(revenue) as value",
        "lines",
        f"where {SOLD} and order_key is not null group by order_key",
    )
    found = table.record(
        "count(*) as orders, sum(lines) as rows, avg(lines) as lines_mean,"
        " median(lines) as lines_median, fsum(pieces) / count(*) as pieces_mean,"
        " median(pieces) as pieces_median, fsum(value) / count(*) as value_mean,"
        " median(value) as value_median, quantile_cont(value, 0.1) as value_p10,"
        " quantile_cont(value, 0.9) as value_p90",
        "baskets",
    )
    orders = found["orders"]
    if not orders:
        raise NotAvailable(Reason.NO_VALUES, "No order has revenue above zero.")
    fields = {
        "orders": FIELDS["orders"],
        "lines_mean": (Unit.NUMBER, "Lines of an order, mean"),
        "lines_median": (Unit.NUMBER, "Lines of an order, median"),
        "pieces_mean": (Unit.PIECES, "Pieces of an order, mean"),
        "pieces_median": (Unit.PIECES, "Pieces of an order, median"),
        "value_mean": (Unit.MONEY, "Value of an order, mean"),
        "value_median": (Unit.MONEY, "Value of an order, median"),
        "value_p10": (Unit.MONEY, "Value that a tenth of orders stay below"),
        "value_p90": (Unit.MONEY, "Value that a tenth of orders exceed"),
    }
    notes = ["Lines with revenue above zero that were not cancelled."]
    rows = found["rows"]
    report.figure("basket", "An order", "numbers", fields, [found], rows=rows, notes=notes)
    report.say(
        f"An order has {found['lines_median']:g} lines and is worth"
        f" {amount(found['value_median'])} in the middle of {orders}."
    )
    counts = table.record(
        ", ".join(
            f"count(*) filter (lines between {low} and {high or 'lines'}) as size{low}"
            for low, high in SIZES
        ),
        "baskets",
    )
    points: list[dict[str, Any]] = [
        {
            "lines": f"{low} to {high}" if high and high > low else f"{low}" if high else f"{low}+",
            "orders": counts[f"size{low}"],
            "share": counts[f"size{low}"] / orders,
        }
        for low, high in SIZES
    ]
    fields = {
        "lines": (Unit.TEXT, "Lines of an order"),
        "orders": FIELDS["orders"],
        "share": (Unit.SHARE, "Share of orders"),
    }
    title = "Orders by number of lines"
    report.figure("basket_sizes", title, "bar", fields, points, rows=rows)
