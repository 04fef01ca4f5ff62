from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from tests.workers.engines.conftest import Engine


def column(values: list[str], delimiter: str = ",") -> str:
    """Makes a table of one column to look at and one of numbers beside it."""
    return f"value{delimiter}n\n" + "".join(
        f"{value}{delimiter}{at}\n" for at, value in enumerate(values)
    )


def typed(
    engine: Engine, values: list[str], delimiter: str = ","
) -> tuple[str, str | None, list[Any]]:
    report, _ = engine.both(column(values, delimiter))
    assert report["rows"]["kept"] == len(values)
    described = report["columns"][0]
    return described["type"], described.get("format"), [row[0] for row in engine.rows()]


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1", "-2", "", "0"], "bigint"),
        (["9223372036854775807", "-9223372036854775808"], "bigint"),
        (["9223372036854775808", "1"], "decimal(38,0)"),
        (["1" * 39, "1"], "text"),
        (["00123", "00456"], "text"),
        (["+49", "+1"], "text"),
        (["1_000", "2"], "text"),
        (["1,5" * 1, "2"], "text"),
        (["1.50", "2"], "decimal(18,2)"),
        (["0.1234", "-5.5", "17"], "decimal(18,4)"),
        (["0.12345", "1"], "double"),
        (["1e3", "2.5"], "double"),
        (["1e400", "2"], "text"),
        (["12345678901234.1234", "1"], "decimal(18,4)"),
        (["123456789012345678.5", "1"], "decimal(38,1)"),
        (["1234567890123456789.5", "1e3"], "text"),
        (["NaN", "1.5", "-inf"], "double"),
        (["nan", "NaN"], "text"),
        (["true", "FALSE", ""], "boolean"),
        (["true", "yes"], "text"),
        (["1", "0", "true"], "text"),
        (["", "", ""], "text"),
        (["N/A", "1", "2"], "text"),
        (["2020-01-31", "1999-12-01"], "date"),
        (["2020-02-30", "1999-12-01"], "text"),
        (["20-01-31", "99-12-01"], "text"),
        (["2020-01-31 10:00", "2020-01-31T23:59:59.123456"], "timestamp"),
        (["2020-01-31", "2020-01-31 10:00:00"], "timestamp"),
        (["2020-01-31 10:00:00Z", "2020-01-31T10:00:00+02:00"], "timestamptz"),
        (["2020-01-31 10:00:00Z", "2020-01-31T10:00:00"], "text"),
        (["10:30", "23:59:59"], "time"),
        (["24:30", "10:00"], "text"),
        (["31.12.2019", "1.1.2020"], "date"),
        (["2/13/2020", "1/1/2020"], "date"),
        (["13/2/2020", "1/1/2020"], "date"),
        (["13/2/2020", "2/13/2020"], "text"),
        (["1-2-2020", "3-4-2020"], "text"),
        (["1-20-2020", "3-4-2020"], "date"),
        (["05-Jan-2020", "17-DEC-2019"], "date"),
        (["1/2/20", "3/4/20"], "text"),
        (["1/2/2020 1:05 PM", "12/31/2020 11:59 am"], "timestamp"),
    ],
)
def test_a_type_holds_for_every_value(engine: Engine, values: list[str], type: str) -> None:
    quoted = [f'"{value}"' if "," in value else value for value in values]
    report = engine.validate(column(quoted))
    assert report["columns"][0]["type"] == type
    engine.convert(column(quoted), validation=report)


def test_values_keep_all_their_digits(engine: Engine) -> None:
    assert typed(engine, ["9007199254740993", "", "-1"])[2] == [9007199254740993, None, -1]
    assert typed(engine, ["0.10", "2.5"])[2] == [Decimal("0.10"), Decimal("2.50")]
    exact = "123456789012345678.5"
    assert typed(engine, [exact, "1"])[2] == [Decimal(exact), Decimal("1.0")]


def test_spaces_around_values_do_not_change_their_type(engine: Engine) -> None:
    assert typed(engine, ["  12", "5  "])[2] == [12, 5]
    assert typed(engine, [" true ", "false"])[2] == [True, False]
    assert typed(engine, [" 2/13/2020 ", "1/1/2020"])[2][0] == dt.date(2020, 2, 13)


def test_one_value_far_down_decides(engine: Engine) -> None:
    values = [str(at) for at in range(5000)]
    assert typed(engine, values)[0] == "bigint"
    assert typed(engine, [*values, "4.5"])[0] == "decimal(18,1)"
    assert typed(engine, [*values, "x"])[0] == "text"
    dates = ["1/2/2020"] * 4000
    assert typed(engine, [*dates, "13/2/2020"])[2][0] == dt.date(2020, 2, 1)
    assert typed(engine, [*dates, "2/13/2020"])[2][0] == dt.date(2020, 1, 2)


def test_a_column_that_begins_empty_is_typed_by_what_comes(engine: Engine) -> None:
    empty = [""] * 5000
    assert typed(engine, [*empty, "7"])[0] == "bigint"
    assert typed(engine, [*empty, "2020-01-31"])[0] == "date"
    assert typed(engine, [*empty, "7", "x"])[0] == "text"


def test_ambiguous_dates_follow_their_neighbours_and_are_told_of(engine: Engine) -> None:
    report, _ = engine.both("a,b\n1/2/2020,13/2/2020\n3/4/2020,1/1/2020\n")
    assert [column["format"] for column in report["columns"]] == ["%d/%m/%Y", "%d/%m/%Y"]
    assert report["warnings"] == []
    assert engine.rows()[0] == (dt.date(2020, 2, 1), dt.date(2020, 2, 13))
    report, _ = engine.both("a,b\n1/2/2020,x\n3/4/2020,y\n")
    assert report["columns"][0]["format"] == "%m/%d/%Y"
    assert [(w["code"], w["column"]) for w in report["warnings"]] == [("AMBIGUOUS_DATES", "a")]
    report = engine.validate("a,b\n1-2-2020,x\n3-4-2020,y\n")
    assert report["columns"][0]["type"] == "text"
    assert report["warnings"][0]["message"].endswith("left as text.")


def test_neighbours_that_disagree_decide_nothing(engine: Engine) -> None:
    report = engine.validate("a,b,c\n1/2/2020,13/2/2020,2/13/2020\n3/4/2020,1/1/2020,1/1/2020\n")
    assert [column["format"] for column in report["columns"]] == [
        "%m/%d/%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
    ]
    assert [warning["column"] for warning in report["warnings"]] == ["a"]


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1,5", "-2,25", "3"], "decimal(18,2)"),
        (["1,234", "5,678"], "text"),
        (["1,234", "0,5"], "decimal(18,3)"),
        (["1234,567", "1"], "decimal(18,3)"),
        (["1.234,5", "2"], "text"),
        (["1,5", "2.5"], "text"),
    ],
)
def test_decimal_commas_are_read_where_commas_do_not_delimit(
    engine: Engine, values: list[str], type: str
) -> None:
    assert typed(engine, values, ";")[0] == type


def test_decimal_commas_become_numbers(engine: Engine) -> None:
    assert typed(engine, ["1,5", "-2,25", ""], ";") == (
        "decimal(18,2)",
        ",",
        [Decimal("1.50"), Decimal("-2.25"), None],
    )


def test_times_with_zones_are_instants(engine: Engine) -> None:
    report, _ = engine.both(column(["2020-01-31T10:00:00+02:00", "2020-06-30 08:00:00Z"]))
    assert report["columns"][0]["type"] == "timestamptz"
    # Asked for as text: DuckDB wants another package to give instants to Python.
    values = duckdb.sql("select (value at time zone 'UTC')::varchar from 'output.parquet'")
    assert values.fetchall() == [("2020-01-31 08:00:00",), ("2020-06-30 08:00:00",)]


def test_what_is_left_as_text_stays_as_it_is(engine: Engine) -> None:
    values = ["00123", " x ", "1,000.50 €", "NULL", "N/A", "-"]
    quoted = [f'"{value}"' for value in values]
    assert typed(engine, quoted)[2] == values
