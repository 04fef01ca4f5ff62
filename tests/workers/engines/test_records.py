"""Records are found as a parser that reads character by character finds them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workers.engines import grammar, records, window
from workers.engines.grammar import Dialect, Grammar
from workers.engines.records import Records, Span

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 3
LIMIT = 120

PIECES = st.sampled_from(
    ["a", "bc", " ", ",", ",", "\n", "\n", "\r\n", "\r", '"', '"', '""', 'x"y', "é", "1", "a,b,c\n"]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def spans_of(path: Path, text: bytes, width: int = WIDTH, newline: bytes = b"\n") -> list[Span]:
    path.write_bytes(text)
    dialect = Dialect(b",", b'"', b'"', newline)
    return list(Records(path, Grammar(dialect, width)).spans())


def slowly(text: bytes, width: int, limit: int) -> list[tuple[int, int, str]]:
    """Gives start, line and reason of each record: the grammar's words, one character at a time."""
    found, at, line = [], 0, 1
    while at < len(text):
        if text[at : at + 1] in b"\r\n":
            stop = at + (2 if text[at : at + 2] == b"\r\n" else 1)
            reason = "blank"
        else:
            stop, fields = one_record(text, at)
            length = stop - at + (stop < len(text))
            if fields is None or length > limit:
                cut = text.find(b"\n", at)
                stop = cut + 1 if cut >= 0 else len(text)
                reason = "malformed"
            elif fields == width:
                reason = ""
            else:
                reason = "TOO_FEW_COLUMNS" if fields < width else "TOO_MANY_COLUMNS"
        if reason != "blank":
            found.append((at, line, reason))
        line += text.count(b"\n", at, stop)
        at = stop
    return found


def one_record(text: bytes, at: int) -> tuple[int, int | None]:
    fields = 0
    while True:
        inner = past_spaces(text, at)
        if text[inner : inner + 1] == b'"':
            inner = past_quotes(text, inner + 1)
            if inner < 0 or text[inner : inner + 1] not in (b",", b"\r", b"\n", b""):
                return at, None
            at = inner
        else:
            while at < len(text) and text[at : at + 1] not in (b",", b"\r", b"\n"):
                at += 1
        fields += 1
        if text[at : at + 1] != b",":
            break
        at += 1
    if text[at : at + 2] == b"\r\n":
        return at + 2, fields
    return min(at + 1, len(text)), fields


def past_spaces(text: bytes, at: int) -> int:
    while text[at : at + 1] == b" ":
        at += 1
    return at


def past_quotes(text: bytes, at: int) -> int:
    """Goes from inside a quoted field to behind it and the spaces after it; -1 if it never ends."""
    while text[at : at + 1] != b'"' or text[at + 1 : at + 2] == b'"':
        if at >= len(text):
            return -1
        at += 2 if text[at : at + 1] == b'"' else 1
    return past_spaces(text, at + 1)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes blocks and windows so small that every text meets their ends."""
    monkeypatch.setattr(window, "READ_BYTES", 48)
    monkeypatch.setattr(records, "LARGEST_BLOCK", 32)
    monkeypatch.setattr(records, "SMALLEST_BLOCK", 8)
    for module in (records, grammar, window):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", LIMIT)


def check(path: Path, text: bytes, width: int, limit: int) -> None:
    spans = spans_of(path, text, width)
    expected = slowly(text, width, limit)
    assert all(first.end == second.start for first, second in pairwise(spans))
    assert (spans[0].start, spans[-1].end) == (0, len(text)) if spans else not text
    kept = sum(span.records for span in spans if not span.reason)
    assert kept == sum(1 for _, _, reason in expected if not reason)
    rejected = [(span.start, span.line) for span in spans if span.reason]
    assert rejected == [(at, line) for at, line, reason in expected if reason]
    reasons = [span.reason for span in spans if span.reason]
    for reason, (_, _, wanted) in zip(reasons, (e for e in expected if e[2]), strict=True):
        assert wanted in (reason, "malformed")


@pytest.mark.usefixtures("small")
@settings(max_examples=600, deadline=None)
@given(text=TEXTS, width=st.sampled_from([1, 2, 3]))
@example(text='a,"b\n1,2,3\n', width=3)
@example(text='"a\n\n"",b,c\r', width=2)
@example(text=',\r""', width=2)
@example(text="x" * 200 + "\na,b\n", width=2)
@example(text="a,b\na," + "x" * 200 + "\na,b\n", width=2)
def test_finds_what_a_slow_parser_finds_in_small_blocks(
    text: str, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(tmp_path_factory.getbasetemp() / "small.csv", text.encode(), width, LIMIT)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, width=st.sampled_from([1, 2, 3]))
def test_finds_what_a_slow_parser_finds_in_one_block(
    text: str, width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(tmp_path_factory.getbasetemp() / "whole.csv", text.encode(), width, 1_900_000)


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    text = b'1,"abc,2\n3,def,4\n5,"x, y",6\n'
    spans = spans_of(tmp_path / "f", text)
    assert [(s.line, s.reason) for s in spans if s.reason] == [(1, "BAD_QUOTE")]
    assert sum(s.records for s in spans if not s.reason) == 2


def test_an_unterminated_quote_at_the_end_costs_one_line(tmp_path: Path) -> None:
    spans = spans_of(tmp_path / "f", b'1,2,3\n4,5,"6\n7,8,9')
    assert [(s.line, s.reason) for s in spans if s.reason] == [(2, "BAD_QUOTE")]
    assert sum(s.records for s in spans if not s.reason) == 2


def test_lines_are_counted_through_quoted_line_breaks(tmp_path: Path) -> None:
    text = b'1,"a\r\nb\nc",3\r\n\r\nx\r\n4,5,6\r\ny,z\r\n'
    spans = spans_of(tmp_path / "f", text)
    assert [(s.line, s.text) for s in spans if s.reason] == [(5, b"x\r\n"), (7, b"y,z\r\n")]


def test_old_macintosh_line_ends_are_line_ends(tmp_path: Path) -> None:
    spans = spans_of(tmp_path / "f", b"1,2,3\r4,5\r6,7,8\r", newline=b"\r")
    assert [s.line for s in spans if s.reason] == [2]
    assert sum(s.records for s in spans if not s.reason) == 2


def test_a_line_longer_than_any_window_is_one_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "READ_BYTES", 1 << 16)
    text = b"1,2,3\n" + b"x" * 5_000_000 + b"\n4,5,6\n" + b"y,z\n"
    spans = spans_of(tmp_path / "f", text)
    rejected = [(s.line, s.reason, s.end - s.start) for s in spans if s.reason]
    assert rejected == [(2, "RECORD_TOO_LONG", 5_000_001), (4, "TOO_FEW_COLUMNS", 4)]
    assert sum(s.records for s in spans if not s.reason) == 2
    assert spans[-1].end == len(text)


def test_a_text_full_of_opened_quotes_takes_no_quadratic_time(tmp_path: Path) -> None:
    spans = spans_of(tmp_path / "f", b'1,"2,3\n' * 60_000)
    assert sum(1 for s in spans if s.reason) >= 30_000
