"""The forecast of revenue, judged by the past and beside naive guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from workers.insights.periods import Period, series
from workers.insights.report import NotAvailable, Reason, Unit, amount, percent

if TYPE_CHECKING:
    from workers.insights.report import Report
    from workers.insights.table import Table

FORECAST = ("forecast", "forecast_errors")
INTERVALS = (80, 95)

LEAST_SKILL = 0.02
"""The part of the naive guess's error that the model has to save; less comes about by chance."""

LEAST_FILLED = 0.5
"""The part of a series' periods that has lines; with less the next longer period is taken."""


class Terms(NamedTuple):
    """What a series of one period needs and gets, in periods."""

    least: int
    season: int
    horizon: int


TERMS = {Period.DAY: Terms(56, 7, 7), Period.WEEK: Terms(44, 1, 4), Period.MONTH: Terms(42, 12, 3)}
"""Half of the series teaches, the other half judges: the least that leaves 19 points in the past to
forecast from, which an interval of 95 % takes, and for days four weeks to learn the week from."""

LEAST_YEARS_MONTHS = 48
"""Months from which a season of a year can be learnt: the half that teaches holds two."""


def add_forecast(report: Report, table: Table) -> None:
    """Adds the figures ``forecast`` and ``forecast_errors`` of the view ``lines``.

    Raises `NotAvailable` where the data allows no forecast that could be judged.
    """
    period, points = _series(table)
    revenue = [each["revenue"] for each in points]
    least = TERMS[period].least
    if len(points) < least:
        code, reason = Reason.TOO_FEW_ROWS, f"The data covers {len(points)} {period}s; a forecast"
        reason += f" that can be judged needs {least}."
    elif min(revenue) == max(revenue):
        code, reason = Reason.NO_VARIATION, f"Every {period} has the same revenue."
    else:
        _add(report, period, points, revenue)
        return
    report.say(f"No forecast: {reason}")
    raise NotAvailable(code, reason)


def _series(table: Table) -> tuple[Period, list[dict[str, Any]]]:
    """Gives the shortest period of which most have lines, and its points."""
    measures = "coalesce(fsum(revenue) filter (revenue < 0 or not cancelled), 0) as revenue"
    for period in Period:
        points = series(table, "lines", period, measures, {"revenue": 0.0})
        if sum(each["rows"] > 0 for each in points) >= LEAST_FILLED * len(points):
            break
    # Part of a week or month says little about a whole one.
    return period, [each for each in points if each["whole"] or period is Period.DAY]


def _add(
    report: Report, period: Period, points: list[dict[str, Any]], revenue: list[float]
) -> None:
    # What can't be forecast does not pay for the libraries of those that can.
    import numpy as np  # noqa: PLC0415 - as said above

    from workers.insights import smoothing  # noqa: PLC0415 - as said above

    values, horizon = np.array(revenue), TERMS[period].horizon
    yearly = period is Period.MONTH and len(values) < LEAST_YEARS_MONTHS
    season, known = 1 if yearly else TERMS[period].season, len(values) // 2
    expected, weights = smoothing.smoothed(values, horizon, season, known)
    methods = {"the model": expected, "the last value": smoothing.last_value(values, horizon)}
    if season > 1:
        repeated = smoothing.last_value(values, horizon, season)
        methods[f"the last {'week' if period is Period.DAY else 'year'}"] = repeated
    errors = {name: smoothing.past_errors(values, each, known) for name, each in methods.items()}
    off = {name: float(np.abs(each).mean()) for name, each in errors.items()}
    naive = min((name for name in methods if name != "the model"), key=lambda name: off[name])
    beats = off["the model"] < off[naive] * (1 - LEAST_SKILL)
    chosen = "the model" if beats else naive
    rows = sum(each["rows"] for each in points)

    fields = {"date": (Unit.DATE, period.label), "revenue": (Unit.MONEY, "Revenue to expect")}
    future: list[dict[str, Any]] = [
        {"date": period.after(points[-1]["date"], step + 1), "revenue": float(each)}
        for step, each in enumerate(methods[chosen][-1])
    ]
    # What was never below zero is not expected there.
    least = 0.0 if values.min() >= 0 else -np.inf
    for level in INTERVALS:
        fields[f"lower_{level}"] = (Unit.MONEY, f"{level} % interval, from")
        fields[f"upper_{level}"] = (Unit.MONEY, f"{level} % interval, to")
        for point, reach in zip(
            future, smoothing.reaches(errors[chosen], level / 100), strict=True
        ):
            point[f"lower_{level}"] = max(point["revenue"] - float(reach), least)
            point[f"upper_{level}"] = max(point["revenue"] + float(reach), least)
    covered = " and ".join(
        f"{percent(smoothing.coverage(errors[chosen], level / 100))} inside those of {level} %"
        for level in INTERVALS
    )
    weighed = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
    compared = (
        f"From {len(errors[chosen])} points in the past, forecasts of the next {horizon} {period}s"
        f" were off by {amount(off['the model'])} on average, the naive guess ({naive} again) by"
        f" {amount(off[naive])}"
    )
    said = (
        f"{compared}: the model saves {percent(1 - off['the model'] / off[naive])} of its error."
        if beats
        else f"{compared}: the model does not beat it, so the naive guess is what is shown."
    )
    notes = [
        said,
        f"The model is exponential smoothing (weights: {weighed}); shown is {chosen}.",
        f"Of the later half of the past, with intervals learnt from the earlier, {covered}.",
    ]
    title = f"Revenue to expect, by {period}"
    report.figure("forecast", title, "line", fields, future, rows=rows, notes=notes)
    report.say(said)

    fields = {
        "method": (Unit.TEXT, "Forecast by"),
        "mean_error": (Unit.MONEY, "Mean absolute error"),
        "relative_error": (Unit.SHARE, "Sum of errors over sum of revenue"),
        "forecasts": (Unit.NUMBER, "Points in the past that were forecast from"),
        "shown": (Unit.YES_NO, "Whether the forecast is this one"),
    }
    actual = smoothing.past_errors(values, np.zeros_like(expected), known)
    judged = [
        {
            "method": name,
            "mean_error": off[name],
            "relative_error": off[name] / float(np.abs(actual).mean()) if actual.any() else None,
            "forecasts": len(each),
            "shown": name == chosen,
        }
        for name, each in errors.items()
    ]
    title = "How far off forecasts of the past were"
    report.figure("forecast_errors", title, "table", fields, judged, rows=rows)
