"""Whatever a file holds: read is kept and rejected, and what is kept is what Python reads."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.engines.conftest import Engine
from workers.engines.errors import FileError
from workers.engines.grammar import Dialect, Grammar
from workers.engines.layout import Layout
from workers.engines.rejects import Rejects

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS = st.text(
    st.sampled_from(["a", "B", " ", ",", ";", "\t", '"', "\n", "\r", "é", "0", "7", ".", "-"]),
    max_size=8,
)
GARBAGE = st.sampled_from(["x", '"', 'a"b,"c', ",,,,,,,,", '"x"y,z', "\ufffd", '"""', " "])
Lines = list[tuple[list[str], bool] | str]
PIECES = ["a,b,c\n", "1,2,3\n", '"x, y",2,"z\n"\n', "\r\n", '"', ",", "\n", "\0", "é", "\xff"]


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with contextlib.chdir(tmp_path_factory.mktemp("properties")):
        yield


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str, int, Lines]:
    """Gives delimiter, line end, width, and records (and whether all is quoted) or garbage."""
    width = draw(st.integers(2, 5))
    record = st.tuples(st.lists(CELLS, min_size=width, max_size=width), st.booleans())
    return (
        draw(st.sampled_from([",", ";", "\t", "|"])),
        draw(st.sampled_from(["\n", "\r\n"])),
        width,
        draw(st.lists(st.one_of(record, record, record, GARBAGE), max_size=30)),
    )


def written(delimiter: str, ending: str, lines: Lines) -> bytes:
    text = io.StringIO(newline="")
    for line in lines:
        if isinstance(line, str):
            text.write(line.replace(",", delimiter) + ending)
            continue
        cells, quoted = line
        # Python's writer leaves carriage returns unquoted, and then its reader ends there too.
        if quoted or any("\r" in cell for cell in cells):
            writer = csv.writer(
                text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator=ending
            )
        else:
            writer = csv.writer(text, delimiter=delimiter, lineterminator=ending)
        writer.writerow(cells)
    return text.getvalue().encode()


def clear() -> None:
    for leftover in ("clean.csv", "rewritten.csv", "rejects.jsonl", "text.utf8"):
        Path(leftover).unlink(missing_ok=True)


@settings(max_examples=80, deadline=None)
@given(file=files())
def test_kept_records_are_what_python_reads(file: tuple[str, str, int, Lines]) -> None:
    delimiter, ending, width, lines = file
    clear()
    path = Path("property.csv")
    path.write_bytes(written(delimiter, ending, lines))
    grammar = Grammar(Dialect(delimiter.encode(), b'"', b'"', b"\n"), width)
    layout, rejects = Layout(path, grammar, 0, None), Rejects()
    layout.inspect(rejects, lambda _: None)
    rejects.close()
    whole = [[cell or None for cell in line[0]] for line in lines if not isinstance(line, str)]
    all_whole = len(whole) == len(lines)
    if all_whole:
        assert (layout.kept, rejects.count) == (len(whole), 0)
    for name, relation in layout.readings():
        rows = [list(row) for row in duckdb.sql(f"from {relation()}").fetchall()]
        assert len(rows) == layout.kept, name
        assert rows == whole or not all_whole, name


@settings(max_examples=60, deadline=None)
@given(content=st.lists(st.sampled_from(PIECES), min_size=1, max_size=40).map("".join))
def test_nothing_is_lost_of_any_file(content: str) -> None:
    engine = Engine()
    clear()
    try:
        report, summary = engine.both(content.encode("latin-1"))
    except FileError:
        return
    rows = report["rows"]
    assert rows["read"] == rows["kept"] + rows["rejected"]
    assert summary["rows"] == rows
    assert len(engine.rejects()) == rows["rejected"]
    assert len(engine.rows()) == rows["kept"]
