from __future__ import annotations

import pytest

from ops.demo.charts import bar, bars, cut, meter, sparkline, written


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([7, 0], "█▁"),
        ([-4, None, 3], "▁ █"),
        ([5, 5], "▅▅"),
        ([None, None], "  "),
        ([], ""),
    ],
)
def test_a_sparkline_is_as_high_as_its_values(values: list[float | None], drawn: str) -> None:
    assert sparkline(values) == drawn


def test_a_plain_chart_is_of_ascii() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], plain=True) == "_.:-=+*#"
    assert bar(1, 2, 10, plain=True) == "#####"
    assert all(line.isascii() for line in bars(["a"], [3.0], ["3"], 20, plain=True))


@pytest.mark.parametrize(
    ("value", "largest", "length"),
    [(10, 10, 20), (5, 10, 10), (0.01, 10, 1), (0, 10, 0), (-5, 10, 0), (0, 0, 0)],
)
def test_a_bar_is_as_long_as_its_share_of_the_largest(
    value: float, largest: float, length: int
) -> None:
    assert len(bar(value, largest, 20)) == length


def test_bars_stand_below_each_other_and_keep_to_the_width() -> None:
    labels = ["short", "a label that is far too long for this chart", "b\nc"]
    lines = bars(labels, [10, 5, 0], ["10", "5", "0"], 40)
    assert lines == [
        f"short            10 {'█' * 20}",
        f"a label that ...  5 {'█' * 10}",
        "b c               0",
    ]
    assert max(map(len, lines)) == 40
    assert bars([], [], [], 40) == []


@pytest.mark.parametrize(
    ("percent", "drawn"), [(0, "╌╌╌╌"), (50, "━━╌╌"), (100, "━━━━"), (140, "━━━━"), (-3, "╌╌╌╌")]
)
def test_a_meter_shows_how_far_it_is(percent: int, drawn: str) -> None:
    assert meter(percent, 4) == drawn


def test_cuts_texts_to_one_line() -> None:
    assert cut("one\ntwo  three", 20) == "one two three"
    assert cut("one two three", 10) == "one two..."


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5759, "share", "57.6 %"),
        (161082.74, "money", "161,083"),
        (255, "money", "255.00"),
        (-2.0, "days", "-2"),
        (12185.0, "pieces", "12,185"),
        (0.2563810273, "number", "0.256"),
        ("2010-12-01", "date", "2010-12-01"),
        (True, "yes_no", "yes"),
        (None, "money", "unknown"),
    ],
)
def test_writes_values_by_their_unit(value: object, unit: str, text: str) -> None:
    assert written(value, unit) == text
