"""Intervals in which a share or an area under a curve lies, as far as its rows tell."""

from __future__ import annotations

from math import sqrt
from typing import Any

from workers.insights.report import Unit

Z_95 = 1.959963984540054
"""The standard normal distribution's 97.5 % quantile: two-sided intervals of 95 %."""

SHARE_FIELDS = {
    "share": (Unit.SHARE, "Share"),
    "lower": (Unit.SHARE, "95 % interval, from"),
    "upper": (Unit.SHARE, "95 % interval, to"),
    "rows": (Unit.ROWS, "Rows"),
}


def share(hits: int, rows: int) -> dict[str, Any]:
    """Gives the values of `SHARE_FIELDS` for a share of `rows`, which are more than 0.

    Wilson's score interval (Wilson 1927, JASA 22:209): it holds for few rows and for shares of 0
    and 1.
    """
    part, square = hits / rows, Z_95**2
    middle = (part + square / (2 * rows)) / (1 + square / rows)
    half = Z_95 / (1 + square / rows) * sqrt(part * (1 - part) / rows + square / (4 * rows**2))
    return {
        "share": part,
        "lower": max(middle - half, 0.0),
        "upper": min(middle + half, 1.0),
        "rows": rows,
    }


def area_interval(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """Gives the 95 % interval of an area under a ROC curve; both counts are more than 0.

    Hanley and McNeil 1982, Radiology 143:29, equations 1 and 2.
    """
    both_positive = area / (2 - area)
    both_negative = 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (positives - 1) * (both_positive - area**2)
        + (negatives - 1) * (both_negative - area**2)
    ) / (positives * negatives)
    half = Z_95 * sqrt(max(variance, 0.0))
    return max(area - half, 0.0), min(area + half, 1.0)
