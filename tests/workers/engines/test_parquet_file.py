from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from workers.engines import parquet_file
from workers.engines.errors import FileErrorCode

if TYPE_CHECKING:
    import pytest

    from tests.workers.engines.conftest import Engine


def made(sql: str, options: str = "") -> bytes:
    duckdb.sql(f"copy ({sql}) to 'made.parquet' (format parquet {options})")
    return Path("made.parquet").read_bytes()


def test_types_and_values_stay(engine: Engine) -> None:
    content = made(
        "select 1::tinyint a, 2::hugeint b, 1.25::decimal(9,2) c, 'x' d, null::integer e,"
        " timestamp '2020-01-31 10:00' f, date '2020-01-31' g, true h, 'y'::enum('x','y') i,"
        ' 1.5::float "J k" union all'
        " select null, null, null, null, null, null, null, null, null, null"
    )
    report, summary = engine.both(content, "parquet")
    assert summary["rows"] == {"read": 2, "kept": 2, "rejected": 0}
    assert {c["name"]: c["type"] for c in report["columns"]} == {
        "a": "tinyint",
        "b": "double",
        "c": "decimal(9,2)",
        "d": "text",
        "e": "integer",
        "f": "timestamp",
        "g": "date",
        "h": "boolean",
        "i": "text",
        "J k": "float",
    }
    nulls = [1, 1, 1, 1, 2, 1, 1, 1, 1, 1]
    assert [column["nulls"] for column in report["columns"]] == nulls
    assert [column["nulls"] for column in summary["columns"]] == nulls
    day = dt.date(2020, 1, 31)
    at = dt.datetime(2020, 1, 31, 10)  # noqa: DTZ001 - the column has no zone
    assert engine.rows()[0] == (1, 2, Decimal("1.25"), "x", None, at, day, True, "y", 1.5)


def test_nested_values_become_json_text(engine: Engine) -> None:
    content = made("select {'x': 1, 'y': ['é', null]} s, [1, 2] l, map {'k': 3} m, 1 n")
    report, _ = engine.both(content, "parquet")
    assert [column["type"] for column in report["columns"]] == ["json", "json", "json", "integer"]
    row = engine.rows()[0]
    assert [json.loads(text) for text in row[:3]] == [{"x": 1, "y": ["é", None]}, [1, 2], {"k": 3}]


def test_a_table_of_no_rows_is_a_table(engine: Engine) -> None:
    _, summary = engine.both(made("select 1 a where false"), "parquet")
    assert summary["rows"] == {"read": 0, "kept": 0, "rejected": 0}


def test_a_spoilt_page_is_found_by_validation(engine: Engine) -> None:
    content = bytearray(made("select i, 'text' || hash(i) t from range(50000) r(i)"))
    content[1000:1400] = b"\xff" * 400
    assert engine.refusal(bytes(content), "parquet") is FileErrorCode.UNREADABLE


def test_a_spoilt_footer_is_unreadable(engine: Engine) -> None:
    content = made("select 1 a")
    spoilt = content[:-40] + b"\xff" * 32 + content[-8:]
    assert engine.refusal(spoilt, "parquet") is FileErrorCode.UNREADABLE


def test_a_bomb_is_refused_by_its_footer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    content = made("select 7 a, 'x' b from range(2000000)")
    assert len(content) < 10_000
    engine.validate(content, "parquet")
    monkeypatch.setattr(parquet_file, "MAX_PARQUET_ROWS", 1_000_000)
    assert engine.refusal(content, "parquet") is FileErrorCode.UNPACKED_TOO_LARGE
    monkeypatch.undo()
    monkeypatch.chdir(Path("made.parquet").parent)


def test_bytes_beyond_the_limit_are_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = made("select repeat('x', 5000) || i a from range(1000) r(i)", ", compression zstd")
    monkeypatch.setattr(parquet_file, "MAX_PARQUET_BYTES", 1_000_000)
    assert engine.refusal(content, "parquet") is FileErrorCode.UNPACKED_TOO_LARGE


def test_more_columns_than_allowed_are_refused(engine: Engine) -> None:
    content = made("select " + ", ".join(f"{at} as c{at}" for at in range(4100)))
    assert engine.refusal(content, "parquet") is FileErrorCode.TOO_MANY_COLUMNS
