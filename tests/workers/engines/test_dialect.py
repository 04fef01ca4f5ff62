from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.workers.engines.conftest import Engine


def dialect(engine: Engine, content: str, file_type: str = "csv") -> tuple[str, str, list[str]]:
    report = engine.validate(content, file_type)
    found = report["dialect"]
    return found["delimiter"], found["quote"], [each["name"] for each in report["columns"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", "\x1f", "\x01"])
def test_delimiters_are_found(engine: Engine, delimiter: str) -> None:
    content = "id,name,day\n1,Ada Lovelace,2020-01-31\n2,Grace Hopper,2020-02-01\n"
    assert dialect(engine, content.replace(",", delimiter)) == (
        delimiter,
        '"',
        ["id", "name", "day"],
    )


@pytest.mark.parametrize(
    ("content", "delimiter", "columns"),
    [
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";", 2),
        ("name;age\nSmith, John;40\nDoe, Jane;41\n", ";", 2),
        ("a|b,c|d\n1|x,y|2\n3|z|4\n", "|", 3),
        ("when,what\n2020-01-31 10:00,a;b\n2020-01-31 11:00,c;d\n", ",", 2),
        ("a\tb\nx, y\t1\nz, w\t2\n", "\t", 2),
        ('text,n\n"a;b;c",1\n"d;e;f",2\n', ",", 2),
        ("a,b,c\n1,2,3\n", ",", 3),
        ("a,b,c", ",", 3),
        ("only one\nword\nlines\n", "\x1f", 1),
        (
            "Dear all,\nthis is text, not a table, at all.\nIt has commas\nor has none\nBye\n",
            "\x1f",
            1,
        ),
        ("1\n2\n3\n", "\x1f", 1),
    ],
)
def test_what_looks_like_values_decides(
    engine: Engine, content: str, delimiter: str, columns: int
) -> None:
    found = dialect(engine, content)
    assert (found[0], len(found[2])) == (delimiter, columns)


def test_a_tsv_is_split_by_tabs_even_when_commas_look_as_good(engine: Engine) -> None:
    content = "a,b\tc,d\n1,2\t3,4\n5,6\t7,8\n"
    assert dialect(engine, content, "tsv")[0] == "\t"


def test_single_quotes_may_quote(engine: Engine) -> None:
    content = "a,b\n'x, y',1\n'it''s',2\n'z',3\n"
    assert dialect(engine, content)[:2] == (",", "'")
    engine.both(content)
    assert engine.rows() == [("x, y", 1), ("it's", 2), ("z", 3)]


def test_apostrophes_do_not_quote(engine: Engine) -> None:
    assert dialect(engine, "a,b\n'tis,1\ndon't,2\nrock 'n' roll,3\n")[:2] == (",", '"')


def test_inch_signs_do_not_quote(engine: Engine) -> None:
    content = 'size\tn\n"5 inch\t1\n7" screen\t2\n"9 inch\t3\nplain\t4\n'
    assert dialect(engine, content, "tsv")[:2] == ("\t", "")
    engine.both(content, "tsv")
    assert engine.rows() == [('"5 inch', 1), ('7" screen', 2), ('"9 inch', 3), ("plain", 4)]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("id,name\n1,x\n2,y\n", ["id", "name"]),
        ("1,x\n2,y\n3,z\n", ["column_1", "column_2"]),
        ("region,2010,2011\nnorth,1,2\nsouth,3,4\n", ["region", "2010", "2011"]),
        ("first,last\nAda,Lovelace\nGrace,Hopper\n", ["first", "last"]),
        ("x,north\ny,north\nz,south\nx,east\n", ["column_1", "column_2"]),
        ("2020-01-31,5\n2020-02-01,6\n", ["column_1", "column_2"]),
        (",count\nx,1\ny,2\n", ["column_1", "count"]),
        ("id,day\n,2020-01-31\n,2020-02-01\n", ["id", "day"]),
        ("1,2\n", ["column_1", "column_2"]),
    ],
)
def test_headers_are_told_from_records(engine: Engine, content: str, names: list[str]) -> None:
    assert dialect(engine, content)[2] == names


def test_names_are_cleaned_and_cut(engine: Engine) -> None:
    long = "x" * 300
    names = dialect(engine, f'" a ","b\u200bc",{long},{long}\n1,2,3,4\n')[2]
    assert names == ["a", "b c", "x" * 255, "x" * 253 + "_2"]
