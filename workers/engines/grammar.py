r"""What a well-formed record of delimited text is: one grammar, and its patterns.

A record is fields between delimiters, ended by ``\n``, ``\r\n``, ``\r`` or the end of the file. A
field that begins with the quote character (spaces before it do not count) reaches to the next
single quote character, may hold delimiters and line breaks, and may be followed by spaces only; a
doubled quote character in it stands for one. Any other field is taken as it stands, quote
characters included. A blank line is not a record. Where a record breaks these rules, its first
line alone is malformed, and reading goes on with the next line: one stray quote costs one line.

This is RFC 4180 with what real exports need, and what DuckDB's reader makes of the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from workers.engines.limits import MAX_RECORD_BYTES

NOTHING = rb"\b\B"
"""A pattern that matches nowhere."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text is split. All members are single ASCII bytes; `quote` and `escape` may be empty.

    `escape` is the quote character itself where that is doubled. `newline` is what lines are
    counted by: a carriage return only in files that hold no line feed.
    """

    delimiter: bytes
    quote: bytes
    escape: bytes
    newline: bytes


class Grammar:
    """A dialect's records of `width` fields, as compiled patterns.

    Everything that repeats is possessive: a hostile text can't make a match step back.
    """

    def __init__(self, dialect: Dialect, width: int) -> None:
        self.dialect, self.width = dialect, width
        delimiter, quote = re.escape(dialect.delimiter), re.escape(dialect.quote)
        bare = b"[^" + delimiter + rb"\r\n]*+"
        either, captured, quoted = bare, b"(?:(" + NOTHING + b")|(" + bare + b"))", NOTHING
        if quote:
            inside = b"[^" + quote + b"]*+(?:" + quote * 2 + b"[^" + quote + b"]*+)*+"
            if dialect.escape != dialect.quote:
                escape = re.escape(dialect.escape)
                inside = b"(?:[^" + quote + escape + b"]|" + escape + b".|" + quote * 2 + b")*+"
            before, after = b" *+" + quote, quote + rb" *+(?=[" + delimiter + rb"\r\n]|\Z)"
            bare = b"(?! *+" + quote + b")" + bare
            either = b"(?:" + before + inside + after + b"|" + bare + b")"
            captured = b"(?:" + before + b"(" + inside + b")" + after + b"|(" + bare + b"))"
            # The literal quote comes first, so that the search for it runs at memory speed.
            start, end = rb"(?<=[" + delimiter + rb"\r\n]" + quote + b")", rb"(?=[%b\r\n])"
            quoted = quote + start + inside + quote + end % delimiter
        tail, line_end = b"(?:" + delimiter + either + b")", rb"(?:\r\n|\n|\r|\Z)"
        count = b"{" + str(width - 1).encode() + b"}"
        self.record = re.compile(either + tail + count + line_end, re.DOTALL)
        """One well-formed record of exactly `width` fields, with its end."""
        self.any_record = re.compile(either + tail + b"*+" + line_end, re.DOTALL)
        """One well-formed record of any width, with its end."""
        self.field = re.compile(captured, re.DOTALL)
        """One field: group 1 is the inside of a quoted one, group 2 an unquoted one."""
        self.quoted = re.compile(quoted, re.DOTALL)
        """Each quoted field in well-formed records that begin and end with a line break."""
        self.beyond = bytes(set(range(256)) - set(dialect.delimiter + dialect.quote + b"\r\n"))
        """All bytes that have no part in the structure."""
        delimiters = dialect.delimiter * (width - 1)
        self.plain = (delimiters, delimiters + b"\r")
        """What an unquoted record of `width` fields leaves of a line without those bytes."""

    def fields(self, record: bytes) -> list[bytes | None]:
        """Splits one well-formed record into its values; an empty one, quoted or not, is None."""
        record = record.rstrip(b"\r\n")
        values: list[bytes | None] = []
        at = 0
        while at <= len(record):
            match = self.field.match(record, at)
            if match is None:
                raise ValueError("the record is not well-formed")
            value = match[2] if match[1] is None else self._without_escapes(match[1])
            values.append(value or None)
            at = match.end() + 1
        return values

    def flaw(self, data: bytes, start: int, end: int) -> tuple[str, str]:
        """Says, as a code and a sentence, why no record of the right width begins at `start`."""
        limit = min(end, start + MAX_RECORD_BYTES)
        whole = self.any_record.match(data, start, limit)
        if whole is not None and not (whole.end() == limit < end):
            found = len(self.fields(whole[0]))
            code = "TOO_FEW_COLUMNS" if found < self.width else "TOO_MANY_COLUMNS"
            return code, f"{found} column{'s' if found > 1 else ''} instead of {self.width}."
        line_end = data.find(self.dialect.newline, start, limit)
        if line_end < 0 and limit < end:
            return "RECORD_TOO_LONG", f"More than {MAX_RECORD_BYTES} bytes in one record."
        return "BAD_QUOTE", "A quoted value is not closed, or more text follows it."

    def _without_escapes(self, inside: bytes) -> bytes:
        quote, escape = self.dialect.quote, self.dialect.escape
        if escape == quote:
            return inside.replace(quote * 2, quote)
        pairs = re.compile(re.escape(escape) + b"(.)|" + re.escape(quote * 2), re.DOTALL)
        return pairs.sub(lambda pair: pair[1] or quote, inside)
