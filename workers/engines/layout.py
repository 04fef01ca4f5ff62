"""Where the records of a UTF-8 text are, and the ways in which DuckDB can read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workers.engines.canonical import CanonicalFile
from workers.engines.limits import MAX_REPORTED_REJECTS
from workers.engines.records import TEXT_BYTES, Records, Span
from workers.engines.table import Reading, copy_ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workers.engines.grammar import Grammar
    from workers.engines.rejects import Rejects

CLEAN = Path("clean.csv")
REWRITTEN = Path("rewritten.csv")


class Rejected(NamedTuple):
    """The place of a rejected record, the line it begins in, and why."""

    start: int
    end: int
    line: int
    reason: str
    message: str


@dataclass(slots=True)
class Layout:
    """What is where in a text. Offsets are in bytes.

    `start` is where the first record begins; `header` is the range of the record that names
    the columns, if one does. `rejected` is None when there are too many to remember; `lenient` says
    that not all line breaks are equal, or not all end records.
    """

    path: Path
    grammar: Grammar
    start: int
    header: tuple[int, int] | None
    kept: int = 0
    rejected: list[Rejected] | None = field(default_factory=list)
    lenient: bool = False

    def inspect(self, rejects: Rejects, reach: Callable[[float], None]) -> Records:
        """Goes through all records once: counts what is kept, and writes what is rejected."""
        size = self.path.stat().st_size
        records = Records(self.path, self.grammar, self.start)
        rejected: list[Rejected] = []
        for span in self._body(records, lambda position: reach(position / size)):
            if not span.reason:
                self.kept += span.records
                continue
            rejects.add(span.line, span.reason, span.message, span.text)
            if len(rejected) <= MAX_REPORTED_REJECTS:
                rejected.append(Rejected(*span[:3], span.reason, span.message))
        self.rejected = rejected if len(rejected) <= MAX_REPORTED_REJECTS else None
        # DuckDB takes the first line break that it sees, quoted or not, for the one of all lines.
        self.lenient = records.mixed_ends or records.quoted_newlines or records.lone_returns
        return records

    def write_rejects(self, rejects: Rejects) -> None:
        """Writes what is known to be rejected once more, as `inspect` did."""
        with self.path.open("rb") as file:
            for each in self.rejected or ():
                file.seek(each.start)
                text = file.read(min(each.end - each.start, TEXT_BYTES))
                rejects.add(each.line, each.reason, each.message, text)

    def readings(self) -> list[tuple[str, Callable[[], str]]]:
        """Gives the ways to read the kept records, from the fastest to the surest.

        DuckDB checks that its threads meet where records begin, and the rows are counted: a way
        that fails either is given up for the next. The last leaves nothing to interpret.
        """
        ways: list[tuple[str, Callable[[], str]]] = []
        if self.grammar.dialect.escape == self.grammar.dialect.quote:
            ways.append(("parallel", lambda: self._reading(parallel=True).relation()))
            ways.append(("serial", lambda: self._reading(parallel=False).relation()))
        ways.append(("rewritten", lambda: self._rewritten().relation()))
        return ways

    def _body(
        self, records: Records, reach: Callable[[int], None] = lambda _: None
    ) -> Iterator[Span]:
        """Gives the spans of all records but the header."""
        for span in records.spans(reach):
            if self.header is None or not span.start <= self.header[0] < span.end:
                yield span
            elif not span.reason:
                # Nothing above the header was kept, so what is before it holds no records.
                start, end = self.header
                yield Span(span.start, start, span.line, 0)
                yield Span(end, span.end, span.line, span.records - 1)

    def _reading(self, *, parallel: bool) -> Reading:
        dialect, path = self.grammar.dialect, self.path
        as_it_is = self._stands_as_it_is()
        if not as_it_is:
            path = CLEAN
            if not path.exists():
                copy_ranges(self.path, path, self._kept_ranges())
        return Reading(
            str(path),
            self.grammar.width,
            dialect.delimiter.decode(),
            dialect.quote.decode(),
            header=as_it_is and self.header is not None,
            strict=not self.lenient,
            parallel=parallel,
        )

    def _stands_as_it_is(self) -> bool:
        if self.rejected != []:
            return False
        if self.header is None:
            return True
        start, end = self.header
        with self.path.open("rb") as file:
            file.seek(start)
            record = file.read(end - start)
        return start == self.start and self.grammar.record.fullmatch(record) is not None

    def _kept_ranges(self) -> Iterator[tuple[int, int]]:
        if self.rejected is None:
            for span in self._body(Records(self.path, self.grammar, self.start)):
                if not span.reason:
                    yield span.start, span.end
            return
        removed = [(each.start, each.end) for each in self.rejected]
        at = self.start
        for start, end in sorted([*removed, self.header] if self.header else removed):
            yield at, start
            at = max(at, end)
        yield at, self.path.stat().st_size

    def _rewritten(self) -> Reading:
        width = self.grammar.width
        if not REWRITTEN.exists():
            with CanonicalFile(REWRITTEN, width) as canonical, self.path.open("rb") as file:
                for span in self._body(Records(self.path, self.grammar, self.start)):
                    if not span.reason:
                        file.seek(span.start)
                        self._rewrite(file.read(span.end - span.start), canonical)
        return Reading(str(REWRITTEN), width, canonical=True)

    def _rewrite(self, data: bytes, canonical: CanonicalFile) -> None:
        at = 0
        while at < len(data):
            if data[at : at + 1] in b"\r\n":
                at += 1
                continue
            match = self.grammar.record.match(data, at)
            if match is None:
                raise ValueError("a kept record is not well-formed")
            canonical.write_bytes(self.grammar.fields(match[0]))
            at = match.end()
