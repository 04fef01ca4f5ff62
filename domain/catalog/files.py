"""Which files can be ingested, told by their names, and what their first bytes give away."""

from __future__ import annotations

import re

from domain.catalog.models import FileType
from domain.errors import InvalidInput

EXTENSIONS = {
    "csv": FileType.CSV,
    "tsv": FileType.TSV,
    "tab": FileType.TSV,
    "json": FileType.JSON,
    "jsonl": FileType.JSONL,
    "ndjson": FileType.JSONL,
    "xml": FileType.XML,
    "xlsx": FileType.EXCEL,
    "xlsm": FileType.EXCEL,
    "xls": FileType.EXCEL,
    "ods": FileType.EXCEL,
    "parquet": FileType.PARQUET,
}
"""The endings of file names, and the type that each one tells."""

CONTENT_TYPES = {
    "text/csv": "csv",
    "application/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel.sheet.macroenabled.12": "xlsm",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.apache.parquet": "parquet",
}
"""Media types, and the ending that a file of each has when its name has none that is known.

``application/vnd.ms-excel`` is left out: browsers on Windows say it of CSV files too.
"""

STANDARD = {ending: media for media, ending in reversed(CONTENT_TYPES.items())} | {
    "tab": "text/tab-separated-values",
    "ndjson": "application/x-ndjson",
    "xls": "application/vnd.ms-excel",
}
"""The media type of each ending."""

HEAD_BYTES = 64
"""How many of a file's first bytes `looks_like` needs."""

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "a PNG image"),
    (re.compile(rb"\xff\xd8\xff"), "a JPEG image"),
    (re.compile(rb"GIF8[79]a"), "a GIF image"),
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"PK(\x03\x04|\x05\x06)"), "a ZIP archive"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an older Office document"),
    (re.compile(rb"PAR1[\x00-\x08\x0e-\x1f]"), "a Parquet file"),
    (re.compile(rb"\x1f\x8b\x08"), "a gzip archive"),
    (re.compile(rb"BZh[1-9]1AY&SY"), "a bzip2 archive"),
    (re.compile(rb"\xfd7zXZ\x00"), "an xz archive"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "a Zstandard archive"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7-Zip archive"),
    (re.compile(rb"Rar!\x1a\x07"), "a RAR archive"),
    (re.compile(rb"\x7fELF"), "a program"),
    (re.compile(rb"SQLite format 3\x00"), "an SQLite database"),
)

_EXPECTED = {
    FileType.EXCEL: frozenset({"a ZIP archive", "an older Office document"}),
    FileType.PARQUET: frozenset({"a Parquet file"}),
}

_NAMED = {
    FileType.CSV: "a CSV file",
    FileType.TSV: "a TSV file",
    FileType.JSON: "a JSON file",
    FileType.JSONL: "a JSON lines file",
    FileType.XML: "an XML file",
    FileType.EXCEL: "a spreadsheet",
    FileType.PARQUET: "a Parquet file",
}


def ending_of(file_name: str, content_type: str | None) -> str:
    """The ending, without its dot, that tells a file's type: its name's, else its media type's.

    Raises `InvalidInput`, which lists what can be ingested.
    """
    _, dot, ending = file_name.rpartition(".")
    if dot and ending.lower() in EXTENSIONS:
        return ending.lower()
    media = (content_type or "").partition(";")[0].strip().lower()
    if media in CONTENT_TYPES:
        return CONTENT_TYPES[media]
    endings = ", ".join(EXTENSIONS)
    message = f"Files of this kind can't be ingested. Their names end in one of: {endings}."
    raise InvalidInput.at("fileName", message, "unknown_file_type")


def fault_of(file_type: FileType, head: bytes) -> str | None:
    """What is wrong with a file whose first bytes are ``head``, or None where nothing shows.

    Only signatures of other formats are faults of text, since text may come in any encoding; what
    else can be wrong with it is the validation's business.
    """
    found = next((name for pattern, name in _SIGNATURES if pattern.match(head)), None)
    expected = _EXPECTED.get(file_type)
    if found is None and expected is None:
        return None
    if expected is not None and found in expected:
        return None
    looks = f"it is {found}" if found else "its first bytes are another format's"
    return (
        f"The file says that it is {_NAMED[file_type]}, but {looks}. "
        "Start a new upload for a file that is what its name says."
    )
