"""Finds the records of delimited text, exactly and at the speed of memory.

A file is read in blocks. A block whose lines all look like what the grammar expects is taken as a
whole: deleting all bytes that have no part in the structure leaves the same few delimiters of each
line, and counting equal lines costs almost nothing. Only lines that look different are parsed one
by one. Both ways give the same records, and a test holds them against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from workers.engines.encoding import DAMAGED
from workers.engines.limits import MAX_RECORD_BYTES, MAX_REJECT_CHARACTERS
from workers.engines.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workers.engines.grammar import Grammar

LARGEST_BLOCK = 1 << 20
SMALLEST_BLOCK = 1 << 14
FORBIDDEN = DAMAGED.encode()
TEXT_BYTES = MAX_REJECT_CHARACTERS * 4


class Span(NamedTuple):
    """Bytes `start` to `end` of the file, and the `line` they begin in (the first is 1).

    With no `reason`, they are `records` well-formed records, and maybe blank lines. With one, they
    are a single rejected record, or the first line of a malformed one, whose start is in `text`.
    """

    start: int
    end: int
    line: int
    records: int
    reason: str = ""
    message: str = ""
    text: bytes = b""


class _Step(NamedTuple):
    stop: int
    records: int
    reason: str = ""
    message: str = ""


DAMAGED_RECORD = ("BAD_ENCODING", "It holds bytes that the file's encoding does not have.")


class Records:
    """One pass over a file's records; the counts are complete when the spans are used up."""

    def __init__(self, path: Path, grammar: Grammar, start: int = 0, line: int = 1) -> None:
        """Begins at byte `start`, where a record must begin, in line `line`."""
        self._window = Window(path, start)
        self._grammar = grammar
        self._newline = grammar.dialect.newline
        self._position, self._line = start, line
        self.blank_lines = 0
        self.newlines = 0
        """Line breaks of the dialect's kind, those inside quoted fields too."""
        self.returns = 0
        """How many of them had a carriage return before."""
        self.lone_returns = False
        """Whether any carriage return, in a quoted field or not, had no line feed behind it."""
        self.odd_ends = False
        """Whether records ended with the other kind of line break as well."""
        self.quoted_newlines = False

    @property
    def mixed_ends(self) -> bool:
        """Whether lines end in different ways; line breaks in quoted fields are taken for ends."""
        return self.odd_ends or 0 < self.returns < self.newlines

    def spans(self, reach: Callable[[int], None] = lambda _: None) -> Iterator[Span]:
        """Gives all spans in order and without gaps; `reach` is told how many bytes are behind."""
        window, size = self._window, LARGEST_BLOCK
        try:
            while self._position < window.base + len(window.data) - MAX_RECORD_BYTES or (
                window.fill(self._position)
            ):
                at = self._position - window.base
                end = self._block_end(at, size)
                records = self._plain(at, end)
                if records is not None:
                    start, line = self._position, self._line
                    self._position = window.base + end
                    self._line += self._count(window.data[at:end])
                    yield Span(start, self._position, line, records)
                    size = min(size * 2, LARGEST_BLOCK)
                elif size > SMALLEST_BLOCK:
                    size //= 8
                else:
                    yield from self._line_by_line(at, end)
                reach(self._position)
        finally:
            window.close()

    def _count(self, taken: bytes) -> int:
        lines = taken.count(self._newline)
        self.newlines += lines
        if b"\r" in taken:
            self.returns += taken.count(b"\r\n")
            self.lone_returns |= taken.count(b"\r") != taken.count(b"\r\n")
        return lines

    def _block_end(self, at: int, size: int) -> int:
        """Ends a block behind a line break, so that at worst a quoted field is cut."""
        data = self._window.data
        if at + size >= len(data) and self._window.ended:
            return len(data)
        cut = data.rfind(self._newline, at, at + size)
        if cut < 0:
            cut = data.find(self._newline, at + size)
        return cut + 1 if cut >= 0 else len(data)

    def _plain(self, at: int, end: int) -> int | None:
        """Counts a block's records if all its lines are well-formed and none is blank, else None.

        If the block were cut inside a quoted field, that field's quote would be left over.
        """
        grammar, newline, data = self._grammar, self._newline, self._window.data
        quote = grammar.dialect.quote
        # The line break before the block is its first byte, where it need not be copied for that.
        block = (
            data[at - 1 : end] if at and data[at - 1 : at] == newline else newline + data[at:end]
        )
        complete = block.endswith(newline) or (end == len(data) and self._window.ended)
        # A block is longer than a record may be only where a single line is.
        if not complete or end - at > MAX_RECORD_BYTES:
            return None
        if not block.endswith(newline):
            block += newline
        if _is_damaged(block) or (grammar.width == 1 and self._may_hide_blanks(block)):
            return None
        lines = 0
        if quote and quote in block:
            lines = block.count(newline) - 1
            # A letter stays in their place, so that nothing comes together which was apart.
            block = grammar.quoted.sub(b"x", block)
            if quote in block or grammar.dialect.escape != quote:
                return None
        shapes = block.translate(None, grammar.beyond).split(newline)[1:-1]
        plain = shapes.count(grammar.plain[0])
        if plain != len(shapes):
            returned = shapes.count(grammar.plain[1])
            # A carriage return may also end a record inside of what is taken for a line here.
            if plain + returned != len(shapes) or block.count(b"\r\n") != returned:
                return None
            plain = len(shapes)
        self.quoted_newlines |= lines > plain
        return plain

    def _may_hide_blanks(self, block: bytes) -> bool:
        # In a table of one column, a record leaves as little of its line as a blank line does.
        newline, quote = self._newline, self._grammar.dialect.quote
        return newline * 2 in block or newline + b"\r" in block or (bool(quote) and quote in block)

    def _odd_lines(self, at: int, end: int) -> Iterator[int]:
        """Gives where the lines begin that are not a plain record of the right width."""
        plain, beyond = self._grammar.plain, self._grammar.beyond
        one_column = self._grammar.width == 1
        for line in self._window.data[at:end].split(self._newline):
            shape = line.translate(None, beyond)
            if at < end and (
                shape not in plain
                or (shape == plain[1] and not line.endswith(b"\r"))
                or _is_damaged(line)
                or len(line) >= MAX_RECORD_BYTES
                or (one_column and line in (b"", b"\r"))
                or at + len(line) == end
            ):
                yield at
            at += len(line) + 1

    def _line_by_line(self, first: int, end: int) -> Iterator[Span]:
        """Gives the spans of the lines up to `end`, parsing those that are not plain."""
        window, data, base = self._window, self._window.data, self._window.base
        at, line = first, self._line
        kept_from, kept_line, kept = at, line, 0
        for step in self._steps(first, end):
            if not step.reason:
                kept += step.records
            else:
                if at > kept_from:
                    yield Span(base + kept_from, base + at, kept_line, kept)
                text = data[at : min(step.stop, at + TEXT_BYTES)]
                beyond = step.stop > len(data)
                stop = window.skip_line(at, self._newline) if beyond else base + step.stop
                yield Span(base + at, stop, line, 1, step.reason, step.message, text)
                if beyond:
                    self._count(data[first:at])
                    self._position, self._line = stop, line + 1
                    return
                kept_from, kept = step.stop, 0
            line += data.count(self._newline, at, step.stop)
            at = step.stop
            if step.reason:
                kept_line = line
        if at > kept_from:
            yield Span(base + kept_from, base + at, kept_line, kept)
        self._count(data[first:at])
        self._position, self._line = base + at, line

    def _steps(self, at: int, end: int) -> Iterator[_Step]:
        """Gives runs of plain lines, and what is between them record by record."""
        data, ended, first = self._window.data, self._window.ended, at
        for start in self._odd_lines(at, end):
            if start < at:
                continue  # A record that began in an earlier line has taken this one in.
            if start > at:
                yield _Step(start, data.count(self._newline, at, start))
            at = start
            while at == start or data[at - 1 : at] != self._newline:
                if at >= len(data) or (at > first and not ended and self._may_be_cut(at)):
                    return
                step = self._record(at)
                yield step
                at = step.stop
        if at < end:
            yield _Step(end, data.count(self._newline, at, end))

    def _may_be_cut(self, at: int) -> bool:
        return len(self._window.data) - at <= MAX_RECORD_BYTES

    def _record(self, at: int) -> _Step:
        """Parses what begins at `at`.

        A stop beyond the window says that the line does not end in there.
        """
        data, ended = self._window.data, self._window.ended
        if data[at : at + 1] in b"\r\n":
            self.blank_lines += 1
            return _Step(at + (2 if data[at : at + 2] == b"\r\n" else 1), 0)
        limit = min(len(data), at + MAX_RECORD_BYTES)
        cut = limit < len(data) or not ended
        for pattern in (self._grammar.record, self._grammar.any_record):
            match = pattern.match(data, at, limit)
            if match is None or (cut and match.end() == limit):
                continue
            stop = match.end()
            self.quoted_newlines |= data.find(self._newline, at, stop - 1) >= 0
            self.odd_ends |= data[stop - 1 : stop] in b"\r\n" and data[stop - 1] != self._newline[0]
            if _is_damaged(match[0]):
                return _Step(stop, 1, *DAMAGED_RECORD)
            if pattern is self._grammar.record:
                return _Step(stop, 1)
            return _Step(stop, 1, *self._grammar.flaw(data, at, stop))
        line_end = data.find(self._newline, at)
        stop = line_end + 1 if line_end >= 0 else len(data) + (not ended)
        if _is_damaged(data[at:stop]):
            return _Step(stop, 1, *DAMAGED_RECORD)
        return _Step(stop, 1, *self._grammar.flaw(data, at, len(data) + cut))


def _is_damaged(text: bytes) -> bool:
    # A single byte is found at the speed of memory, three are not.
    return FORBIDDEN[:1] in text and FORBIDDEN in text
