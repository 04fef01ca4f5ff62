"""Opens CSV and TSV files: encoding, dialect, header, and every record kept or rejected."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.engines.dialect import Sample, detect_dialect, read_sample, sample_records
from workers.engines.encoding import Encoding, detect_encoding, transcode
from workers.engines.grammar import Dialect, Grammar
from workers.engines.headers import is_header, unique_names
from workers.engines.layout import Layout, Rejected
from workers.engines.rejects import Rejects
from workers.engines.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engines.records import Records
    from workers.engines.task import Request

TEXT = Path("text.utf8")
HEADER_RECORDS = 1000


def open_delimited(request: Request) -> Table:
    """Finds out all about a CSV or TSV file, and writes its rejects.

    Raises `FileError` for what is not a table.
    """
    progress = request.progress
    progress.stage("Finding the encoding", 2, 10)
    encoding = detect_encoding(request.input, progress.reach)
    path, nuls = _in_utf8(request, encoding)
    sample = read_sample(path, encoding.mark_bytes if encoding.direct else 0)
    dialect, width = detect_dialect(sample, request.file_type)
    grammar = Grammar(dialect, width)
    header, sources = _header(sample, grammar)
    layout = Layout(path, grammar, sample.start, header)
    rejects = Rejects()
    progress.stage("Checking every line", 20, 50)
    records = layout.inspect(rejects, progress.reach)
    rejects.close()
    return Table(
        sources,
        unique_names(sources),
        layout.kept,
        rejects.count,
        layout.readings(),
        comma=dialect.delimiter != b",",
        details={
            "dialect": _dialect_document(encoding, layout, records),
            "replaced_nul_characters": nuls,
            "blank_lines": records.blank_lines,
            **rejects.document(),
            "layout": {
                "direct": encoding.direct,
                "mark_bytes": encoding.mark_bytes,
                "start": layout.start,
                "header": list(layout.header) if layout.header else None,
                "rejected": layout.rejected,
                "lenient": layout.lenient,
                "newline": dialect.newline.decode(),
            },
        },
    )


def reopen_delimited(request: Request, report: Mapping[str, Any]) -> Table:
    """Opens a file by the report of its validation, reading only what has to be converted."""
    found, kept_layout, columns = report["dialect"], report["layout"], report["columns"]
    encoding = Encoding(found["encoding"], kept_layout["mark_bytes"], kept_layout["direct"])
    path, _ = _in_utf8(request, encoding)
    members = (found["delimiter"], found["quote"], found["escape"], kept_layout["newline"])
    grammar = Grammar(Dialect(*(member.encode() for member in members)), len(columns))
    header = kept_layout["header"]
    layout = Layout(
        path,
        grammar,
        kept_layout["start"],
        (header[0], header[1]) if header else None,
        report["rows"]["kept"],
        [Rejected(*each) for each in kept_layout["rejected"]],
        kept_layout["lenient"],
    )
    rejects = Rejects()
    layout.write_rejects(rejects)
    rejects.close()
    return Table(
        [column["source_name"] for column in columns],
        [column["name"] for column in columns],
        report["rows"]["kept"],
        report["rows"]["rejected"],
        layout.readings(),
    )


def _in_utf8(request: Request, encoding: Encoding) -> tuple[Path, int]:
    if encoding.direct:
        return request.input, 0
    request.progress.stage("Converting to UTF-8", 10, 20)
    return TEXT, transcode(request.input, TEXT, encoding, request.progress.reach)


def _header(sample: Sample, grammar: Grammar) -> tuple[tuple[int, int] | None, list[str]]:
    """Finds the record that names the columns, and the names it gives.

    It is the first of the right width; what stands above it (a title, a note) is rejected.
    """
    found = [
        (start, end, grammar.fields(record))
        for start, end, record in islice(sample_records(sample, grammar), HEADER_RECORDS)
        if record is not None
    ]
    fitting = [each for each in found if len(each[2]) == grammar.width]
    if not fitting:
        return None, [""] * grammar.width
    body = [fields for _, _, fields in fitting]
    start, end, first = fitting[0]
    if len(found[0][2]) == grammar.width - 1 and all(fields[-1] is None for fields in body):
        # Every record ends with a delimiter that only the header does without.
        start, end, first = found[0]
        first = [*first, None]
    else:
        body = body[1:]
    if not is_header(first, body):
        return None, [""] * grammar.width
    return (start, end), [(cell or b"").decode("utf-8", "replace") for cell in first]


def _dialect_document(encoding: Encoding, layout: Layout, records: Records) -> dict[str, Any]:
    dialect = layout.grammar.dialect
    newline = dialect.newline.decode()
    if records.returns:
        newline = "\r\n"
    return {
        "encoding": encoding.name,
        "byte_order_mark": encoding.mark_bytes > 0,
        "delimiter": dialect.delimiter.decode(),
        "quote": dialect.quote.decode(),
        "escape": dialect.escape.decode(),
        "newline": "mixed" if records.mixed_ends else newline,
        "header": layout.header is not None,
        "quoted_newlines": records.quoted_newlines,
    }
