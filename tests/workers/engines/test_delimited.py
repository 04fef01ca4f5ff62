from __future__ import annotations

import csv
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.workers.engines.conftest import DATA, Engine
from workers.engines import layout
from workers.engines.errors import FileErrorCode


def lines_of(name: str) -> list[list[str]]:
    """Reads a real file with Python's own parser: header first."""
    with (DATA / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def named(report: dict[str, object], key: str) -> dict[str, object]:
    columns = report["columns"]
    assert isinstance(columns, list)
    return {column["name"]: column[key] for column in columns}


def test_reads_the_sales_file_as_python_does(engine: Engine) -> None:
    header, *records = lines_of("sales_online_retail.csv")
    whole = [(at, record) for at, record in enumerate(records, 2) if len(record) == len(header)]
    spoilt = [at for at, record in enumerate(records, 2) if len(record) != len(header)]
    report, summary = engine.both(DATA / "sales_online_retail.csv")
    assert (len(records), len(whole), len(spoilt)) == (8373, 8254, 119)
    assert report["rows"] == summary["rows"] == {"read": 8373, "kept": 8254, "rejected": 119}
    rejects = engine.rejects()
    assert [reject["line"] for reject in rejects] == spoilt
    assert rejects[0]["reason"] == "TOO_FEW_COLUMNS"
    assert rejects[0]["message"] == "1 column instead of 8."
    assert rejects[0]["text"].startswith('"536381,82567,""AIRLINE LOUNGE,METAL SIGN"",2,')
    assert report["dialect"]["byte_order_mark"] is True
    assert report["dialect"]["newline"] == "\r\n"
    assert named(report, "type") == {
        "InvoiceNo": "text",
        "StockCode": "text",
        "Description": "text",
        "Quantity": "bigint",
        "InvoiceDate": "timestamp",
        "UnitPrice": "decimal(18,2)",
        "CustomerID": "decimal(18,1)",
        "Country": "text",
    }
    nulls = {name: sum(1 for _, r in whole if r[at] == "") for at, name in enumerate(header)}
    assert named(summary, "nulls") == named(report, "nulls") == nulls
    assert engine.rows() == [
        (
            r[0],
            r[1],
            r[2] or None,
            int(r[3]),
            datetime.fromisoformat(r[4]),
            Decimal(r[5]),
            Decimal(r[6]) if r[6] else None,
            r[7],
        )
        for _, r in whole
    ]


def test_types_both_times_of_the_supply_file(engine: Engine) -> None:
    header, *records = lines_of("supply_dataco_orders.csv")
    report, summary = engine.both(DATA / "supply_dataco_orders.csv")
    assert summary["rows"] == {"read": 10_000, "kept": 10_000, "rejected": 0}
    assert engine.rejects() == []
    types, formats = named(report, "type"), report["columns"][1]["format"]
    assert types["order date (DateOrders)"] == types["shipping date (DateOrders)"] == "timestamp"
    assert formats == "%m/%d/%Y %H:%M"
    assert list(types) == header
    written = "%m/%d/%Y %H:%M"
    assert engine.rows() == [
        (
            r[0],
            datetime.strptime(r[1], written),  # noqa: DTZ007 - the file has no zones
            datetime.strptime(r[2], written),  # noqa: DTZ007 - as above
            int(r[3]),
            float(r[4]),
            r[5],
        )
        for r in records
    ]
    assert any(r[5].endswith(" ") for r in records), "trailing spaces of texts are kept"


def test_reads_the_finance_file_as_python_does(engine: Engine) -> None:
    header, *records = lines_of("finance_credit_default.csv")
    _, summary = engine.both(DATA / "finance_credit_default.csv")
    assert summary["rows"] == {"read": 30_000, "kept": 30_000, "rejected": 0}
    texts = {header.index(name) for name in ("SEX", "EDUCATION", "MARRIAGE")}
    assert engine.rows() == [
        tuple(value if at in texts else float(value) for at, value in enumerate(record))
        for record in records
    ]
    assert sum(row[-1] for row in engine.rows()) == 6636


def test_etl_without_a_report_comes_to_the_same(engine: Engine) -> None:
    report, summary = engine.both(DATA / "sales_online_retail.csv")
    rejects, rows = engine.rejects(), engine.rows()
    alone = engine.convert(DATA / "sales_online_retail.csv")
    assert {**alone, "seconds": 0} == {**summary, "seconds": 0}
    assert (engine.rejects(), engine.rows()) == (rejects, rows)
    assert len(report["rejects_sample"]) == 20


def test_etl_asks_the_file_itself_when_the_report_is_of_another(engine: Engine) -> None:
    report = engine.validate("a,b\n1,x\n2,y\n")
    summary = engine.convert("a,b\n1,x\nyy,2\n", validation=report)
    assert [column["type"] for column in summary["columns"]] == ["text", "text"]
    assert engine.rows() == [("1", "x"), ("yy", "2")]
    wrong = {**report, "rows": {"read": 99, "kept": 99, "rejected": 0}}
    assert engine.convert("a,b\n1,x\n2,y\n", validation=wrong)["rows"]["kept"] == 2
    broken = {**report, "layout": {"start": "nowhere"}}
    assert engine.convert("a,b\n1,x\n2,y\n", validation=broken)["rows"]["kept"] == 2


def test_ragged_rows_are_rejected_with_their_lines(engine: Engine) -> None:
    report = engine.validate("a,b,c\n1,2,3\n4,5\n\n6,7,8,9\n10,11,12\n")
    assert report["rows"] == {"read": 4, "kept": 2, "rejected": 2}
    assert [(r["line"], r["reason"], r["text"]) for r in engine.rejects()] == [
        (3, "TOO_FEW_COLUMNS", "4,5"),
        (5, "TOO_MANY_COLUMNS", "6,7,8,9"),
    ]
    assert report["blank_lines"] == 1


def test_lines_above_the_header_are_rejected(engine: Engine) -> None:
    report, _ = engine.both("Orders of May\nmade by hand\nid;amount\n1;2.50\n2;3.75\n3;1.00\n")
    assert report["rows"] == {"read": 5, "kept": 3, "rejected": 2}
    assert [column["name"] for column in report["columns"]] == ["id", "amount"]
    assert [reject["line"] for reject in engine.rejects()] == [1, 2]
    assert engine.rows()[0] == (1, Decimal("2.50"))


def test_a_delimiter_at_the_end_of_every_record_is_a_column_without_name(engine: Engine) -> None:
    report, _ = engine.both("a,b\n1,x,\n2,y,\n3,z,\n")
    assert [column["name"] for column in report["columns"]] == ["a", "b", "column_3"]
    assert report["rows"] == {"read": 3, "kept": 3, "rejected": 0}
    assert engine.rows() == [(1, "x", None), (2, "y", None), (3, "z", None)]


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "a,b\r\n", "\ufeffa,b\n", "a\n"])
def test_a_header_alone_is_a_table_of_no_rows(engine: Engine, content: str) -> None:
    report, summary = engine.both(content)
    assert summary["rows"] == {"read": 0, "kept": 0, "rejected": 0}
    assert {column["type"] for column in report["columns"]} == {"text"}
    assert engine.rows() == []


def test_line_breaks_of_all_kinds_may_mix(engine: Engine) -> None:
    report, _ = engine.both('a,b\r\n1,x\n2,"y\r\nz"\r\n3,w\n')
    assert report["rows"]["kept"] == 3
    assert report["dialect"]["newline"] == "mixed"
    assert engine.rows() == [(1, "x"), (2, "y\r\nz"), (3, "w")]


def test_old_macintosh_files_are_read(engine: Engine) -> None:
    engine.both("a,b\r1,x\r2\r3,z\r")
    assert engine.rows() == [(1, "x"), (3, "z")]
    assert [reject["line"] for reject in engine.rejects()] == [3]


def test_quoted_values_keep_delimiters_breaks_and_quotes(engine: Engine) -> None:
    text = 'a,b\n1,"x, ""y""\nz"\n2, "spaced" \n3,5" pipe\n4,""\n'
    engine.both(text)
    assert engine.rows() == [(1, 'x, "y"\nz'), (2, "spaced"), (3, '5" pipe'), (4, None)]


def test_text_after_a_closing_quote_rejects_the_line(engine: Engine) -> None:
    engine.both('a,b\n1,"x"y\n2,z\n3,"w"\n4,v\n5,u\n6,t\n')
    assert engine.rows() == [(2, "z"), (3, "w"), (4, "v"), (5, "u"), (6, "t")]
    assert [(r["line"], r["reason"]) for r in engine.rejects()] == [(2, "BAD_QUOTE")]


def test_backslashes_may_escape_quotes(engine: Engine) -> None:
    report, _ = engine.both(
        'id,text\n1,"say \\"hi\\", then go"\n2,"a, b"\n3,"back\\\\slash"\n4,"plain"\n'
    )
    assert report["dialect"]["escape"] == "\\"
    assert engine.rows() == [
        (1, 'say "hi", then go'),
        (2, "a, b"),
        (3, "back\\slash"),
        (4, "plain"),
    ]


def test_a_quoted_newline_in_the_header_is_part_of_its_name(engine: Engine) -> None:
    report, _ = engine.both('"a\nb",c\n1,2\n\n3,4\nx\n')
    assert [column["name"] for column in report["columns"]] == ["a b", "c"]
    assert report["columns"][0]["source_name"] == "a\nb"
    assert engine.rows() == [(1, 2), (3, 4)]
    assert [reject["line"] for reject in engine.rejects()] == [6]


def test_a_single_column_needs_no_delimiter(engine: Engine) -> None:
    report, _ = engine.both("name\nAda, Countess\n\nGrace\nLin; Lee\n")
    assert report["rows"] == {"read": 3, "kept": 3, "rejected": 0}
    assert engine.rows() == [("Ada, Countess",), ("Grace",), ("Lin; Lee",)]


def test_a_quoted_empty_value_is_a_record_of_a_single_column_and_a_blank_line_is_not(
    engine: Engine,
) -> None:
    engine.both('name\nx\n""\n\ny\n')
    assert engine.rows() == [("x",), (None,), ("y",)]


def test_names_are_made_unique_without_regard_to_case(engine: Engine) -> None:
    report, _ = engine.both("A,a, a ,,A_2\nx,y,z,u,v\n")
    names = [(column["name"], column["source_name"]) for column in report["columns"]]
    assert names == [("A", "A"), ("a_3", "a"), ("a_4", " a "), ("column_4", ""), ("A_2", "A_2")]
    assert engine.rows() == [("x", "y", "z", "u", "v")]


def test_more_columns_than_allowed_are_refused_at_once(engine: Engine) -> None:
    wide = ",".join(f"column{at}" for at in range(20_000)) + "\n"
    assert engine.refusal(wide * 3) is FileErrorCode.TOO_MANY_COLUMNS
    assert engine.refusal("," * 3_000_000) is FileErrorCode.TOO_MANY_COLUMNS


def test_the_most_columns_are_read(engine: Engine) -> None:
    header = ",".join(f"c{at}" for at in range(4096))
    _, summary = engine.both(f"{header}\n" + ("1,x," * 2048)[:-1] + "\n")
    assert len(summary["columns"]) == 4096
    assert engine.rows() == [(1, "x") * 2048]


@pytest.mark.parametrize("content", ["\n\n\r\n", "\ufeff", "\ufeff\n"])
def test_blank_lines_alone_are_an_empty_file(engine: Engine, content: str) -> None:
    assert engine.refusal(content) is FileErrorCode.EMPTY_FILE


def test_one_endless_line_is_refused(engine: Engine) -> None:
    assert engine.refusal("x" * 4_000_000) is FileErrorCode.LINE_TOO_LONG


def test_a_long_line_among_others_is_rejected(engine: Engine) -> None:
    report, _ = engine.both("a,b\n1,x\n2," + "y" * 3_000_000 + "\n3,z\n")
    assert report["rows"] == {"read": 3, "kept": 2, "rejected": 1}
    reject = engine.rejects()[0]
    assert (reject["line"], reject["reason"]) == (3, "RECORD_TOO_LONG")
    assert len(reject["text"]) == 8192
    assert engine.rows() == [(1, "x"), (3, "z")]


def test_a_record_just_below_the_limit_is_kept(engine: Engine) -> None:
    long = "y" * 1_899_000
    engine.both(f'a,b\n1,{long}\n2,"{long}"\n')
    assert engine.rows() == [(1, long), (2, long)]


def test_every_reject_is_written_however_many(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MAX_REPORTED_REJECTS", 10)
    lines = [f"{at},x" if at % 3 else f"{at}" for at in range(300)]
    report, summary = engine.both("a,b\n" + "\n".join(lines) + "\n")
    assert report["layout"]["rejected"] is None
    assert summary["rows"] == {"read": 300, "kept": 200, "rejected": 100}
    assert [reject["line"] for reject in engine.rejects()] == [at + 2 for at in range(0, 300, 3)]
    assert [row[0] for row in engine.rows()] == [at for at in range(300) if at % 3]


def test_serial_reading_follows_where_threads_can_not_meet(engine: Engine) -> None:
    # What looks like records of three columns stands inside quoted values longer than a thread's
    # part of the file, so DuckDB's threads begin in the wrong place, and notice.
    inside = "\n".join(["0,foo,bar"] * 100_000)
    content = "".join(f'{at},"{inside}",tail\n' for at in range(24))
    report, _ = engine.both("a,b,c\n" + content)
    assert report["reading"] == "serial"
    assert report["rows"] == {"read": 24, "kept": 24, "rejected": 0}
    assert duckdb.sql("select sum(a), min(b) = max(b) from 'output.parquet'").fetchone() == (
        276,
        True,
    )


def test_the_rewritten_form_gives_the_same_rows(engine: Engine) -> None:
    content = 'a,b\r\n1, "x, ""y""\nz"\n2,5" pipe\r\n\n3,""\nbad\n4,\n'
    report, _ = engine.both(content)
    rows = engine.rows()
    engine.convert(content, validation={**report, "reading": "rewritten"})
    assert Path("rewritten.csv").exists()
    assert engine.rows() == rows == [(1, 'x, "y"\nz'), (2, '5" pipe'), (3, None), (4, None)]


def test_rejects_are_one_json_object_a_line_whatever_is_in_them(engine: Engine) -> None:
    engine.validate("a,b\n1,2\nx\u2028y\x85z\n3,4\n")
    lines = Path("rejects.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["x\u2028y\x85z"]


def test_progress_never_falls_and_names_its_steps(engine: Engine) -> None:
    engine.both(DATA / "sales_online_retail.csv")
    start = next(at for at, (_, step) in enumerate(engine.told) if step == "Writing Parquet")
    for told in (engine.told[:start], engine.told[start:]):
        percentages = [percentage for percentage, _ in told]
        assert percentages == sorted(percentages)
        assert all(0 <= percentage <= 100 for percentage in percentages)
    assert {"Checking every line", "Deciding types"} <= {step for _, step in engine.told}
