from __future__ import annotations

import datetime as dt
import io
import struct
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.workers.engines.workbooks import DATE, TIME, Cell, Styled, parts, workbook
from workers.engines import archive
from workers.engines.errors import FileErrorCode

if TYPE_CHECKING:
    import pytest

    from tests.workers.engines.conftest import Engine

HEADER: list[Cell] = ["code", "amount", "day", "at", "ok"]
ROWS: list[list[Cell]] = [
    ["00123", 1.5, Styled(43861, DATE), Styled(43861.4375, TIME), True],
    [None, 2.0, Styled(43862, DATE), None, False],
    ["x, y", 12345.0, None, Styled(43863.5, TIME), None],
]


def test_a_sheet_is_a_table_with_types(engine: Engine) -> None:
    report, summary = engine.both(workbook({"Orders": [HEADER, *ROWS]}), "excel")
    assert report["dialect"] == {"sheet": "Orders", "header": True}
    assert summary["rows"] == {"read": 3, "kept": 3, "rejected": 0}
    types = [column["type"] for column in report["columns"]]
    assert types == ["text", "decimal(18,1)", "date", "timestamp", "boolean"]
    day = dt.datetime(2020, 1, 31)  # noqa: DTZ001 - workbooks have no zones
    assert engine.rows() == [
        ("00123", Decimal("1.5"), day.date(), day.replace(hour=10, minute=30), True),
        (None, Decimal("2.0"), day.date() + dt.timedelta(days=1), None, False),
        ("x, y", Decimal("12345.0"), None, day + dt.timedelta(days=2.5), None),
    ]


def test_whole_numbers_are_integers_though_workbooks_hold_doubles(engine: Engine) -> None:
    engine.both(workbook({"s": [["n", "m"], [1.0, 0.1], [9007199254740991.0, 1e20]]}), "excel")
    assert engine.rows() == [(1, 0.1), (9007199254740991, 1e20)]


def test_titles_above_and_blank_rows_are_no_records(engine: Engine) -> None:
    rows: list[list[Cell]] = [
        ["Sales of May"],
        [],
        ["id", "name", "city"],
        [1.0, "a", "b"],
        [],
        [2.0, "c", "d"],
    ]
    report, _ = engine.both(workbook({"s": rows}), "excel")
    assert report["rows"] == {"read": 3, "kept": 2, "rejected": 1}
    assert [(r["line"], r["reason"]) for r in engine.rejects()] == [(1, "ABOVE_HEADER")]
    assert engine.rows() == [(1, "a", "b"), (2, "c", "d")]


def test_the_first_sheet_with_cells_is_read_unless_another_is_named(engine: Engine) -> None:
    content = workbook({"empty": [], "one": [["a"], [1.0]], "two": [["a"], [2.0]]})
    engine.both(content, "excel")
    assert engine.rows() == [(1,)]
    engine.both(content, "excel", sheet="two")
    assert engine.rows() == [(2,)]
    assert engine.refusal(content, "excel", sheet="three") is FileErrorCode.NO_SUCH_SHEET
    assert engine.refusal(content, "excel", sheet="empty") is FileErrorCode.NO_TABLE


def test_a_workbook_without_cells_has_no_table(engine: Engine) -> None:
    assert engine.refusal(workbook({"empty": []}), "excel") is FileErrorCode.NO_TABLE


def test_more_columns_than_allowed_are_refused(engine: Engine) -> None:
    wide: list[list[Cell]] = [[f"c{at}" for at in range(5000)], [1.0] * 5000]
    assert engine.refusal(workbook({"s": wide}), "excel") is FileErrorCode.TOO_MANY_COLUMNS


def test_a_damaged_workbook_is_unreadable(engine: Engine) -> None:
    content = workbook({"s": [HEADER, *ROWS]})
    assert engine.refusal(content[:-30], "excel") is FileErrorCode.UNREADABLE
    spoilt = bytearray(content)
    start = content.index(b"xl/worksheets/sheet1.xml") + 30
    spoilt[start : start + 40] = b"\xff" * 40
    assert engine.refusal(bytes(spoilt), "excel") is FileErrorCode.UNREADABLE
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
    assert engine.refusal(old, "excel") is FileErrorCode.UNREADABLE


def bomb(size: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts({"s": [HEADER, *ROWS]}).items():
            made.writestr(name, text)
        made.writestr("xl/sharedStrings.xml", b" " * size)
    return packed.getvalue()


def test_a_bomb_is_refused_by_what_it_says(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 1 << 20)
    assert engine.refusal(bomb(1 << 21), "excel") is FileErrorCode.UNPACKED_TOO_LARGE


def test_a_bomb_is_refused_by_its_ratio(engine: Engine) -> None:
    assert engine.refusal(bomb(3 << 20), "excel") is FileErrorCode.UNPACKED_TOO_LARGE


def test_a_bomb_that_lies_about_its_size_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 1 << 20)
    monkeypatch.setattr(archive, "MAX_ARCHIVE_RATIO", 1 << 30)
    content = bomb(1 << 21).replace(struct.pack("<I", 1 << 21), struct.pack("<I", 100))
    assert engine.refusal(content, "excel") is FileErrorCode.UNPACKED_TOO_LARGE


def test_too_many_parts_are_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ARCHIVE_ENTRIES", 5)
    content = workbook({"s": [HEADER, *ROWS]})
    assert engine.refusal(content, "excel") is FileErrorCode.UNPACKED_TOO_LARGE


def test_opendocument_sheets_are_read(engine: Engine) -> None:
    table = (
        "<table:table table:name='s'><table:table-row>"
        + "".join(
            f"<table:table-cell office:value-type='string'><text:p>{n}</text:p></table:table-cell>"
            for n in "ab"
        )
        + "</table:table-row><table:table-row><table:table-cell office:value-type='float'"
        " office:value='7'/><table:table-cell office:value-type='string'><text:p>x</text:p>"
        "</table:table-cell></table:table-row></table:table>"
    )
    spaces = "".join(
        f" xmlns:{name}='urn:oasis:names:tc:opendocument:xmlns:{name}:1.0'"
        for name in ("office", "table", "text")
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        made.writestr(
            "META-INF/manifest.xml",
            "<m:manifest xmlns:m='urn:oasis:names:tc:opendocument:xmlns:manifest:1.0'/>",
        )
        made.writestr(
            "content.xml",
            f"<office:document-content{spaces}><office:body><office:spreadsheet>{table}"
            "</office:spreadsheet></office:body></office:document-content>",
        )
    engine.both(packed.getvalue(), "excel")
    assert engine.rows() == [(7, "x")]
