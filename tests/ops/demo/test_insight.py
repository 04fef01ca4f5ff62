from __future__ import annotations

from typing import Any

from ops.demo.insight import WIDTH, told


def figure(chart: str, fields: dict[str, str], points: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": "A title",
        "chart": chart,
        "fields": {key: {"unit": unit, "label": f"The {key}"} for key, unit in fields.items()},
        "rows": 1234,
        "points": points,
        "notes": [],
    }


def payload(**changed: Any) -> dict[str, Any]:
    """An insight whose members come in another order than they are read in, as jsonb has them."""
    products = [{"revenue": 100 - n, "name": f"product {n}"} for n in range(9)]
    days = [{"revenue": float(n), "date": f"2026-01-0{n}"} for n in range(1, 5)]
    return {
        "version": 1,
        "insight": "sales",
        "why": "The columns fit.",
        "rows": 1234,
        "mapping": [],
        "summary": ["Revenue is 10.", "A sentence that goes on. " * 8],
        "figures": {
            "best_products": figure("bar", {"revenue": "money", "name": "text"}, products),
            "revenue_by_day": figure("line", {"revenue": "money", "date": "date"}, days),
        },
        "not_available": [
            {"figure": name, "code": "TOO_FEW_ROWS", "reason": "The data covers 4 days."}
            for name in ("forecast", "forecast_errors")
        ],
    } | changed


def test_says_its_sentences_then_its_figures_then_what_it_cannot_say() -> None:
    lines = told(payload())
    assert lines[0] == "  Revenue is 10."
    assert lines.index("  A title (1,234 rows)") > 2
    text = "\n".join(lines)
    assert "    ▁▃▆█  1.00 to 4.00\n    The revenue, from 2026-01-01 to 2026-01-04" in text
    assert text.index("2026-01-01") < text.index("product 0")
    assert lines[-1] == "  Not said (forecast, forecast_errors): The data covers 4 days."


def test_shows_the_first_bars_and_how_many_more_there_are() -> None:
    text = "\n".join(told(payload()))
    assert "product 6  94.00 █" in text
    assert "product 7" not in text
    assert "    and 2 more" in text


def test_is_no_wider_than_a_terminal() -> None:
    for plain in (True, False):
        assert max(map(len, told(payload(), plain=plain))) <= WIDTH
    assert all(line.isascii() for line in told(payload(), plain=True))


def test_shows_nothing_of_a_figure_that_is_not_there_or_has_no_points() -> None:
    empty = figure("line", {"revenue": "money", "date": "date"}, [])
    lines = told(payload(figures={"revenue_by_day": empty}, not_available=[]))
    assert lines[-1] == "  A title (1,234 rows)"
    strange = figure("line", {"other": "money"}, [{"other": 1}])
    assert told(payload(figures={"revenue_by_day": strange}, not_available=[]))[-1] == lines[-1]


def test_an_insight_that_the_columns_do_not_allow_says_why() -> None:
    reason = [{"figure": "sales", "code": "NO_COLUMN", "reason": "No column of amounts."}]
    nothing = payload(insight=None, summary=["Nothing fits."], figures={}, not_available=reason)
    assert told(nothing) == ["  Nothing fits.", "", "  Not said (sales): No column of amounts."]
