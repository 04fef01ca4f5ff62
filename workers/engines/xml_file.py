"""Opens XML documents, with a parser that knows no document types and no entities.

The record is the repeated element that is nearest to the root. Its attributes and child elements
are the columns; a child with attributes or children of its own, or one that comes more than once
in a record, is JSON text. What stands beside the records is no record.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from workers.engines.documents import Item, Untyped, collect
from workers.engines.errors import FileError, FileErrorCode
from workers.engines.limits import MAX_DEPTH, MAX_DOCUMENT_CHARACTERS, MAX_REJECT_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from workers.engines.table import Table
    from workers.engines.task import Request

READ_BYTES = 1 << 18
DEEPEST_RECORD = 5
"""How many elements a record may stand in, itself included."""

Tag = tuple[str, ...]


def open_xml(request: Request) -> Table:
    """Collects the records of a document. Raises `FileError`."""
    progress, path = request.progress, request.input
    progress.stage("Finding the records", 2, 20)
    record = _Outline().record_of(path, progress.reach)
    progress.stage("Reading records", 20, 50)
    table, _ = collect(lambda: _Records(record).items(path, progress.reach), _source_names)
    table.details["dialect"] = {"record": "/".join(record)}
    return table


def _source_names(keys: list[str]) -> list[str]:
    """Takes the mark from what came from attributes and text, where no element has that name."""
    return [key[1:] if key[:1] in "@#" and key[1:] not in keys else key for key in keys]


class _Handler:
    """What both passes share: a hardened parser, and where in the document it is."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        # Entities can only be declared in a document type, so without one there are none to expand.
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.ExternalEntityRefHandler = self._refuse

    def feed(self, path: Path, reach: Callable[[float], None]) -> Iterator[None]:
        """Parses the document piece by piece."""
        size = path.stat().st_size
        with path.open("rb") as file:
            while True:
                chunk = file.read(READ_BYTES)
                try:
                    self.parser.Parse(chunk, not chunk)
                except expat.ExpatError as error:
                    raise FileError(
                        FileErrorCode.UNREADABLE, f"The XML document is not well-formed: {error}."
                    ) from error
                except (LookupError, ValueError) as error:
                    raise FileError(
                        FileErrorCode.UNKNOWN_ENCODING, f"Its encoding can't be read: {error}."
                    ) from error
                yield
                if not chunk:
                    return
                reach(file.tell() / size)

    def enter(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; `path` ends with it already."""

    def leave(self) -> None:
        """The element that `path` ends with ends."""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name)
        if len(self.path) > MAX_DEPTH:
            raise FileError(
                FileErrorCode.UNSAFE_XML, f"Elements stand over {MAX_DEPTH} deep in each other."
            )
        self.enter(name, attributes)

    def _end(self, _name: str) -> None:
        self.leave()
        self.path.pop()

    def _refuse(self, *_args: object) -> int:
        raise FileError(FileErrorCode.UNSAFE_XML, "The document has a document type or entities.")


class _Outline(_Handler):
    """The first pass: how often each element comes, near the root."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[Tag] = Counter()
        self._with_parts: set[Tag] = set()

    def record_of(self, path: Path, reach: Callable[[float], None]) -> Tag:
        """Gives the path of the element that is the record."""
        deque(self.feed(path, reach), maxlen=0)
        repeated = [tag for tag, count in self._counts.items() if count > 1]
        if repeated:
            nearest = min(len(tag) for tag in repeated)
            at_level = [tag for tag in repeated if len(tag) == nearest]
            return max(at_level, key=lambda tag: (tag in self._with_parts, self._counts[tag]))
        # Nothing repeats, so there is one record: the first element that has more than one part.
        record: Tag = next(iter(self._counts))
        while True:
            below = [tag for tag in self._counts if tag[:-1] == record]
            if len(below) != 1 or below[0] not in self._with_parts:
                return record
            record = below[0]

    def enter(self, _name: str, attributes: dict[str, str]) -> None:
        """Counts the element."""
        if len(self.path) <= DEEPEST_RECORD:
            tag = tuple(self.path)
            self._counts[tag] += 1
            if attributes:
                self._with_parts.add(tag)
            if len(tag) > 1:
                self._with_parts.add(tag[:-1])


class _Element:
    """An element inside a record while it is being read."""

    __slots__ = ("text", "values")

    def __init__(self, attributes: dict[str, str]) -> None:
        self.values: dict[str, Any] = {
            "@" + name: Untyped(value) for name, value in attributes.items()
        }
        self.text: list[str] = []

    def value(self) -> object:
        """Gives the text, or a dictionary where there is more than that; None when empty."""
        text = "".join(self.text)
        if not text.strip():
            return self.values or None  # White space between elements is only layout.
        return {**self.values, "#text": Untyped(text)} if self.values else Untyped(text)


class _Records(_Handler):
    """The second pass: one item for each record."""

    def __init__(self, record: Tag) -> None:
        super().__init__()
        self._record = list(record)
        self._open: list[_Element] = []
        self._ready: list[Item] = []
        self._line = 0
        self._characters = 0
        self.parser.CharacterDataHandler = self._character_data

    def items(self, path: Path, reach: Callable[[float], None]) -> Iterator[Item]:
        """Gives the records in order."""
        for _ in self.feed(path, reach):
            yield from self._ready
            self._ready.clear()

    def enter(self, _name: str, attributes: dict[str, str]) -> None:
        """Begins a record, or a part of one."""
        if not self._open:
            if self.path != self._record:
                return
            self._line, self._characters = self.parser.CurrentLineNumber, 0
        self._count(sum(map(len, attributes.values())))
        self._open.append(_Element(attributes))

    def leave(self) -> None:
        """Ends a record, or adds a part to what it is in."""
        if not self._open:
            return
        element = self._open.pop()
        value = element.value()
        if self._open:
            values, name = self._open[-1].values, self.path[-1]
            if name not in values:
                values[name] = value
            elif isinstance(values[name], list):
                values[name].append(value)
            else:
                values[name] = [values[name], value]
            return
        if not isinstance(value, dict):
            value = {"#text": value}
        self._ready.append(Item(self._line, value, str(value)[:MAX_REJECT_CHARACTERS]))

    def _character_data(self, text: str) -> None:
        if self._open:
            self._count(len(text))
            self._open[-1].text.append(text)

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_DOCUMENT_CHARACTERS:
            raise FileError(
                FileErrorCode.LINE_TOO_LONG,
                f"The record in line {self._line} has over {MAX_DOCUMENT_CHARACTERS:,} characters.",
            )
