from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from tests.workers.engines.conftest import DATA, Engine
from tests.workers.engines.schemas import FOLDER, faults
from tests.workers.engines.workbooks import workbook

FILES: list[tuple[bytes, str]] = [
    ((DATA / "sales_online_retail.csv").read_bytes(), "csv"),
    ((DATA / "supply_dataco_orders.csv").read_bytes(), "csv"),
    ((DATA / "finance_credit_default.csv").read_bytes(), "csv"),
    (b"a\tb\n1,5\t1/2/2020\n2,25\t3/4/2020\n", "tsv"),
    ("a;b\r\né;1\nü;2\n\n".encode("utf-16"), "csv"),
    (b"a,b\n", "csv"),
    (b'{"a": 1, "b": {"c": 2}}\n{"a": [}\n5\n', "jsonl"),
    (b'[{"a": "2020-01-01T00:00:00Z"}]', "json"),
    (b"<l><r a='1'/><r><b>2</b></r></l>", "xml"),
    (workbook({"s": [["title"], ["a", "b", "c"], ["x", 1.0, True]]}), "excel"),
]


@pytest.mark.parametrize(("content", "file_type"), FILES)
def test_all_that_tasks_give_fits_its_schema(
    engine: Engine, content: bytes, file_type: str
) -> None:
    report, summary = engine.both(content, file_type)
    assert faults("validation_report.v1.json", report) == []
    assert faults("etl_summary.v1.json", summary) == []
    for reject in engine.rejects():
        assert faults("rejects.v1.json", reject) == []
    rows = report["rows"]
    assert rows["read"] == rows["kept"] + rows["rejected"]
    assert summary["rows"] == rows
    assert len(engine.rejects()) == rows["rejected"] == sum(report["rejects"]["reasons"].values())
    kept = duckdb.sql("select count(*) from 'output.parquet'").fetchall()
    assert kept == [(rows["kept"],)]


def test_parquet_fits_its_schema(engine: Engine) -> None:
    duckdb.sql("copy (select 1::decimal(9,2) a, {'b': 1} s, interval 1 day i) to 'p.parquet'")
    with open("p.parquet", "rb") as file:  # noqa: PTH123 - it stands in the working directory
        report, summary = engine.both(file.read(), "parquet")
    assert faults("validation_report.v1.json", report) == []
    assert faults("etl_summary.v1.json", summary) == []


def test_the_check_finds_what_does_not_fit(engine: Engine) -> None:
    summary = engine.convert("a,b\n1,2\n")
    changes: list[dict[str, Any]] = [
        {"version": 2},
        {"extra": 1},
        {"rows": {"read": 1, "kept": 1}},
        {"columns": []},
        {"columns": [{**summary["columns"][0], "type": "Not a type!"}]},
        {"columns": [{**summary["columns"][0], "nulls": -1}]},
        {"bytes": {"in": True, "out": 1}},
        {"engine": None},
    ]
    for change in changes:
        assert faults("etl_summary.v1.json", {**summary, **change}), change


@pytest.mark.parametrize("name", ["etl_summary", "rejects", "validation_report"])
def test_a_schema_is_json_and_names_itself(name: str) -> None:
    path = FOLDER / f"{name}.v1.json"
    assert json.loads(path.read_text("utf-8"))["$id"] == path.name
