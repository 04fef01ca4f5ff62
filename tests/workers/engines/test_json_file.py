from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from workers.engines import json_file
from workers.engines.errors import FileErrorCode

if TYPE_CHECKING:
    from tests.workers.engines.conftest import Engine


def test_an_array_of_objects_is_a_table(engine: Engine) -> None:
    records = [
        {"id": 1, "name": "Ada", "born": "1815-12-10", "ok": True, "rate": 1.5},
        {"id": 2, "name": "", "born": None, "ok": False, "rate": 2},
        {"id": 3, "name": 'a "quoted",\nname', "born": "1906-12-09"},
    ]
    report, summary = engine.both(json.dumps(records), "json")
    types = {column["name"]: column["type"] for column in report["columns"]}
    assert types == {
        "id": "bigint",
        "name": "text",
        "born": "date",
        "ok": "boolean",
        "rate": "decimal(18,1)",
    }
    assert summary["rows"] == {"read": 3, "kept": 3, "rejected": 0}
    assert [(row[0], row[1], str(row[2]), row[3], row[4]) for row in engine.rows()] == [
        (1, "Ada", "1815-12-10", True, Decimal("1.5")),
        (2, "", "None", False, Decimal("2.0")),
        (3, 'a "quoted",\nname', "1906-12-09", None, None),
    ]


def test_texts_of_digits_stay_texts_and_numbers_keep_their_digits(engine: Engine) -> None:
    content = '[{"a": "123", "b": 1.10, "c": 12345678901234567890}, {"a": "4", "b": 2, "c": 1}]'
    report, _ = engine.both(content, "json")
    assert [column["type"] for column in report["columns"]] == [
        "text",
        "decimal(18,2)",
        "decimal(38,0)",
    ]
    assert engine.rows()[0] == ("123", Decimal("1.10"), Decimal(12345678901234567890))


def test_values_with_parts_stay_json_text(engine: Engine) -> None:
    content = '[{"a": {"x": [1, 2.50, null, "é\\""]}, "b": [1]}, {"a": null, "b": "text"}]'
    report, _ = engine.both(content, "json")
    assert [column["type"] for column in report["columns"]] == ["json", "text"]
    first, second = engine.rows()
    assert json.loads(first[0]) == {"x": [1, 2.5, None, 'é"']}
    assert "2.50" in first[0]
    assert (first[1], second) == ("[1]", (None, "text"))


def test_one_object_is_one_record(engine: Engine) -> None:
    engine.both('{"a": 1, "b": {"c": 2}}', "json")
    assert engine.rows() == [(1, '{"c": 2}')]


def test_objects_one_after_another_are_records(engine: Engine) -> None:
    engine.both('{"a": 1}\n{"a": 2} {"a": 3}', "json")
    assert engine.rows() == [(1,), (2,), (3,)]


def test_elements_that_are_no_objects_are_rejected(engine: Engine) -> None:
    report = engine.validate('[{"a": 1},\n 5,\n\n ["x"], {"a": 2}]', "json")
    assert report["rows"] == {"read": 4, "kept": 2, "rejected": 2}
    assert [(r["line"], r["reason"], r["text"]) for r in engine.rejects()] == [
        (2, "NOT_AN_OBJECT", "5"),
        (4, "NOT_AN_OBJECT", '["x"]'),
    ]


def test_names_that_come_late_get_their_columns(engine: Engine) -> None:
    records = [{"a": at} for at in range(3000)] + [{"b": "x", "A": "y"}]
    report, _ = engine.both(json.dumps(records), "json")
    assert [column["name"] for column in report["columns"]] == ["a", "b", "A_2"]
    assert engine.rows()[-1] == (None, "x", "y")
    assert engine.rows()[0] == (0, None, None)


@pytest.mark.parametrize(
    "content",
    ['[{"a": 1}, {"a":', '[{"a": 1}', '[{"a": 1},]', '[{"a": 1} {"a": 2}]', '[{"a": 1}] x'],
)
def test_a_document_that_breaks_off_is_refused_as_a_whole(engine: Engine, content: str) -> None:
    assert engine.refusal(content, "json") is FileErrorCode.UNREADABLE


def test_a_document_of_nothing_has_no_table(engine: Engine) -> None:
    assert engine.refusal("[]", "json") is FileErrorCode.NO_TABLE
    assert engine.refusal("[1, 2]", "json") is FileErrorCode.NO_TABLE


def test_documents_are_read_across_pieces(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_file, "READ_CHARACTERS", 7)
    records = [{"number": at * 1001, "text": "é" * (at % 13)} for at in range(200)]
    engine.both(json.dumps(records, ensure_ascii=False, indent=1), "json")
    assert engine.rows() == [(each["number"], each["text"]) for each in records]


def test_lines_that_are_not_json_are_rejected_with_their_numbers(engine: Engine) -> None:
    content = '{"a": 1}\n\n{"a": 2\n[1]\r\n"x"\n{"a": 3, "b": "y"}\n' + '{"a":' * 2000 + "\n"
    report, _ = engine.both(content, "jsonl")
    assert report["rows"] == {"read": 6, "kept": 2, "rejected": 4}
    assert [(r["line"], r["reason"]) for r in engine.rejects()] == [
        (3, "NOT_JSON"),
        (4, "NOT_AN_OBJECT"),
        (5, "NOT_AN_OBJECT"),
        (7, "NOT_JSON"),
    ]
    assert engine.rows() == [(1, None), (3, "y")]


def test_a_line_that_is_too_long_is_rejected(engine: Engine) -> None:
    content = '{"a": 1}\n{"a": "' + "x" * 2_000_000 + '"}\n{"a": 2}\n'
    engine.both(content, "jsonl")
    assert [(r["line"], r["reason"]) for r in engine.rejects()] == [(2, "RECORD_TOO_LONG")]
    assert engine.rows() == [(1,), (2,)]


def test_lines_that_are_one_array_are_a_document(engine: Engine) -> None:
    engine.both('[\n{"a": 1},\n{"a": 2}\n]', "jsonl")
    assert engine.rows() == [(1,), (2,)]


def test_values_that_are_nested_too_deeply_are_rejected(engine: Engine) -> None:
    deep = '{"a": ' + "[" * 600 + "]" * 600 + "}"
    report = engine.validate('{"a": "x"}\n' + deep + "\n", "jsonl")
    assert report["rows"] == {"read": 2, "kept": 1, "rejected": 1}


def test_more_names_than_columns_are_refused(engine: Engine) -> None:
    record = json.dumps({f"name{at}": at for at in range(5000)})
    assert engine.refusal(record, "json") is FileErrorCode.TOO_MANY_COLUMNS


def test_other_encodings_and_nul_characters_are_read(engine: Engine) -> None:
    report, _ = engine.both('[{"a": "José\\u0000", "b": "\\ud800"}]'.encode("utf-16"), "json")
    assert report["dialect"]["encoding"] == "utf-16-le"
    assert report["replaced_nul_characters"] == 1
    assert engine.rows() == [("José\ufffd", "?")]
