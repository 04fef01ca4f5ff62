from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from workers.engines.encoding import detect_encoding

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.engines.conftest import Engine

WESTERN = "name,city\nJosé,Málaga\nZoë,Köln\nFrançois,Besançon\nPrice 5 €,“quoted”\n"
RUSSIAN = "имя,город\n" + "Анна,Москва\nИван,Санкт-Петербург\nОльга,Новосибирск\n" * 20  # noqa: RUF001 - it is Russian
JAPANESE = (
    "名前,都市\n"
    + "田中さくら,東京都千代田区\n鈴木一郎,大阪府大阪市\n高橋みなみ,北海道札幌市\n" * 20
)


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (WESTERN, "utf-8", "utf-8"),
        (WESTERN, "utf-8-sig", "utf-8"),
        (WESTERN, "cp1252", "cp1252"),
        (WESTERN.replace("€", "E").replace("“", "").replace("”", ""), "latin-1", "cp1252"),
        (WESTERN, "utf-16", "utf-16-le"),
        (WESTERN, "utf-16-le", "utf-16-le"),
        (WESTERN, "utf-16-be", "utf-16-be"),
        (WESTERN, "utf-32", "utf-32-le"),
        (WESTERN, "utf-32-be", "utf-32-be"),
        (JAPANESE, "utf-16", "utf-16-le"),
        (RUSSIAN, "cp1251", "cp1251"),
        (JAPANESE, "utf-8", "utf-8"),
    ],
)
def test_text_comes_out_as_it_was_written(
    engine: Engine, text: str, encoding: str, name: str
) -> None:
    report, _ = engine.both(text.encode(encoding))
    assert report["dialect"]["encoding"] == name
    header, *records = (line.split(",") for line in text.replace("“", "“").splitlines())
    assert [column["name"] for column in report["columns"]] == header
    assert [list(row) for row in engine.rows()] == records


def test_shift_jis_is_told_from_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(JAPANESE.encode("cp932"))
    name = detect_encoding(path, lambda _: None).name
    assert path.read_bytes().decode(name) == JAPANESE


def test_bytes_beyond_ascii_may_come_late(engine: Engine) -> None:
    text = "id,name\n" + "1,plain ascii\n" * 200_000 + "2,José\n"
    report, _ = engine.both(text.encode("cp1252"))
    assert report["dialect"]["encoding"] == "cp1252"
    assert engine.rows()[-1] == (2, "José")


def test_damaged_utf8_costs_the_lines_that_are_damaged(engine: Engine) -> None:
    lines = [f"{at},Müller und Söhne".encode() for at in range(50)]
    lines[7] = b"7,M\xfcller"
    lines[9] = b'9,"M\xc3\nx"'
    report, _ = engine.both(b"id,name\r\n" + b"\r\n".join(lines) + b"\r\n")
    assert report["dialect"]["encoding"] == "utf-8"
    assert report["rows"] == {"read": 50, "kept": 48, "rejected": 2}
    assert [(r["line"], r["reason"], r["text"]) for r in engine.rejects()] == [
        (9, "BAD_ENCODING", "7,M\ufffdller"),
        (11, "BAD_ENCODING", '9,"M\ufffd\nx"'),
    ]
    assert {row[1] for row in engine.rows()} == {"Müller und Söhne"}


def test_nul_characters_are_replaced_and_counted(engine: Engine) -> None:
    report, _ = engine.both(b"id,name\n1,a\0b\n2,c\n3,\0\0\n4,dd\n5,ee\n6,ff\n")
    assert report["replaced_nul_characters"] == 3
    assert report["rows"]["kept"] == 6
    assert [row[1] for row in engine.rows()][:3] == ["a\ufffdb", "c", "\ufffd\ufffd"]


def test_line_numbers_hold_after_conversion(engine: Engine) -> None:
    text = 'id,name\r\n1,José\r\n2\r\n3,"x\r\ny"\r\n\r\n4\r\n5,ñ\r\n'
    engine.both(text.encode("utf-16"))
    assert [(r["line"], r["text"]) for r in engine.rejects()] == [(3, "2"), (7, "4")]
    assert engine.rows() == [(1, "José"), (3, "x\r\ny"), (5, "ñ")]
