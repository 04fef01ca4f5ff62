from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from workers.engines.errors import FileErrorCode

if TYPE_CHECKING:
    from tests.workers.engines.conftest import Engine

ORDERS = """<?xml version="1.0" encoding="UTF-8"?>
<!-- an export -->
<export made="2020-01-31">
  <about>orders</about>
  <order id="1"><when>2020-01-31</when><amount>1.50</amount><note>a &lt; b &amp; c</note></order>
  <order id="2"><when>2020-02-01</when><amount>2.25</amount>
    <line sku="x">3</line><line sku="y">4</line></order>
  <order id="3" state="open"><when/><amount> 7 </amount><note><![CDATA[<raw>]]></note></order>
</export>
"""


def test_the_repeated_element_is_the_record(engine: Engine) -> None:
    report, summary = engine.both(ORDERS, "xml")
    assert report["dialect"]["record"] == "export/order"
    assert summary["rows"] == {"read": 3, "kept": 3, "rejected": 0}
    types = {column["name"]: column["type"] for column in report["columns"]}
    assert types == {
        "id": "bigint",
        "when": "date",
        "amount": "decimal(18,2)",
        "note": "text",
        "line": "json",
        "state": "text",
    }
    rows = engine.rows()
    assert [str(row[1]) for row in rows] == ["2020-01-31", "2020-02-01", "None"]
    assert [str(row[2]) for row in rows] == ["1.50", "2.25", "7.00"]
    assert [row[3] for row in rows] == ["a < b & c", None, "<raw>"]
    assert json.loads(rows[1][4]) == [{"@sku": "x", "#text": "3"}, {"@sku": "y", "#text": "4"}]


def test_a_record_alone_is_found_below_its_wrappers(engine: Engine) -> None:
    report, _ = engine.both("<a><b><row><x>1</x><y>z</y></row></b></a>", "xml")
    assert report["dialect"]["record"] == "a/b/row"
    assert engine.rows() == [(1, "z")]


def test_elements_of_text_alone_are_a_column(engine: Engine) -> None:
    report, _ = engine.both("<list><item>1</item><item>2</item><item/></list>", "xml")
    assert [column["name"] for column in report["columns"]] == ["text"]
    assert engine.rows() == [(1,), (2,), (None,)]


def test_an_attribute_and_an_element_of_one_name_are_two_columns(engine: Engine) -> None:
    report, _ = engine.both('<l><r id="1"><id>2</id></r><r id="3"><id>4</id></r></l>', "xml")
    assert [column["name"] for column in report["columns"]] == ["@id", "id"]
    assert engine.rows() == [(1, 2), (3, 4)]


def test_encodings_of_the_declaration_are_read(engine: Engine) -> None:
    text = '<?xml version="1.0" encoding="{}"?><l><r>José</r><r>Zoë</r></l>'
    for name in ("iso-8859-1", "windows-1252", "utf-16"):
        engine.both(text.format(name).encode(name), "xml")
        assert engine.rows() == [("José",), ("Zoë",)]


BILLION_LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "lol">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + "]><l><r>&j;</r><r/></l>"
)


@pytest.mark.parametrize(
    "content",
    [
        BILLION_LAUGHS,
        '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]><l><r>&x;</r><r/></l>',
        '<!DOCTYPE l SYSTEM "http://127.0.0.1:1/x.dtd"><l><r/><r/></l>',
        '<!DOCTYPE l [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><l><r/><r/></l>',
        "<!DOCTYPE l><l><r/><r/></l>",
        "<a>" * 300 + "</a>" * 300,
    ],
)
def test_document_types_entities_and_depth_are_refused(engine: Engine, content: str) -> None:
    assert engine.refusal(content, "xml") is FileErrorCode.UNSAFE_XML


@pytest.mark.parametrize("content", ["<a><b></a>", "<a><b/>", "<a>&undefined;</a>", "<a/><b/>"])
def test_what_is_not_well_formed_is_refused(engine: Engine, content: str) -> None:
    assert engine.refusal(content, "xml") is FileErrorCode.UNREADABLE
