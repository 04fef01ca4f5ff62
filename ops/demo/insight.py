"""A `department_insight` as lines of text: its sentences, small charts, and what it can't say."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ops.demo.charts import bars, sparkline, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH = 78
TEXT_WIDTH = WIDTH - 2
CHART_WIDTH = WIDTH - 4
MOST_BARS = 7
MOST_POINTS = 60


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure that is drawn: ``value`` along ``label``, two of the fields of its points."""

    figure: str
    label: str
    value: str


FIGURES = {
    "sales": (
        Drawn("revenue_by_day", "date", "revenue"),
        Drawn("best_products", "name", "revenue"),
        Drawn("basket_sizes", "lines", "orders"),
    ),
    "supply": (
        Drawn("delays", "days", "rows"),
        Drawn("late_by_month", "date", "share"),
        Drawn("late_by_region", "region", "share"),
        Drawn("late_risk_drivers", "feature", "loss"),
        Drawn("late_risk_calibration", "predicted", "share"),
    ),
    "finance": (
        Drawn("amount_distribution", "from", "rows"),
        Drawn("lorenz_curve", "holders", "amount"),
        Drawn("outcome_risk_drivers", "feature", "loss"),
        Drawn("outcome_risk_calibration", "predicted", "share"),
    ),
}
"""By insight: what a newcomer should see of it. The payload has more."""


def told(payload: Mapping[str, Any], *, plain: bool = False) -> list[str]:
    """The lines of an insight, at most 78 characters wide."""
    lines = [line for sentence in payload["summary"] for line in _wrapped(sentence)]
    drawn = FIGURES.get(payload["insight"] or "", ())
    for each in drawn:
        figure = payload["figures"].get(each.figure)
        if figure is not None:
            lines += ["", *_figure(figure, each, plain=plain)]
    reasons: dict[str, list[str]] = {}
    for missing in payload["not_available"]:
        reasons.setdefault(missing["reason"], []).append(missing["figure"])
    if reasons:
        lines.append("")
    for reason, names in reasons.items():
        lines += _wrapped(f"Not said ({', '.join(names)}): {reason}")
    return lines


def _wrapped(sentence: str) -> list[str]:
    return [f"  {line}" for line in wrap(sentence, TEXT_WIDTH)]


def _figure(figure: Mapping[str, Any], drawn: Drawn, *, plain: bool) -> Iterator[str]:
    fields = figure["fields"]
    label, value = fields.get(drawn.label), fields.get(drawn.value)
    yield f"  {figure['title']} ({figure['rows']:,} rows)"
    points = [p for p in figure["points"] if p.get(drawn.value) is not None]
    if label is None or value is None or not points:
        return
    labels = [written(point[drawn.label], label["unit"]) for point in points]
    values = [float(point[drawn.value]) for point in points]
    shown = [written(each, value["unit"]) for each in values]
    if figure["chart"] == "bar" and (label["unit"] == "text" or len(points) <= MOST_BARS):
        kept = slice(MOST_BARS)
        for line in bars(labels[kept], values[kept], shown[kept], CHART_WIDTH, plain=plain):
            yield f"    {line}"
        if len(points) > MOST_BARS:
            yield f"    and {len(points) - MOST_BARS} more"
        return
    kept = slice(-MOST_POINTS, None)
    low, high = (shown[values.index(found(values))] for found in (min, max))
    yield f"    {sparkline(values[kept], plain=plain)}  {low} to {high}"
    yield f"    {value['label']}, from {labels[kept][0]} to {labels[-1]}"
