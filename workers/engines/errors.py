"""Why a file could not be worked on, as codes and sentences that a person can act on."""

from __future__ import annotations

from enum import StrEnum


class FileErrorCode(StrEnum):
    """What stopped the work on a file. Each has a sentence in `ADVICE` that says what to do."""

    EMPTY_FILE = "EMPTY_FILE"
    NOT_THE_TYPE = "NOT_THE_TYPE"
    UNREADABLE = "UNREADABLE"
    UNKNOWN_ENCODING = "UNKNOWN_ENCODING"
    NO_TABLE = "NO_TABLE"
    NO_SUCH_SHEET = "NO_SUCH_SHEET"
    TOO_MANY_COLUMNS = "TOO_MANY_COLUMNS"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    UNSAFE_XML = "UNSAFE_XML"
    UNPACKED_TOO_LARGE = "UNPACKED_TOO_LARGE"
    OUTPUT_TOO_LARGE = "OUTPUT_TOO_LARGE"
    MAPPING_DOES_NOT_FIT = "MAPPING_DOES_NOT_FIT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIMED_OUT = "TIMED_OUT"
    DISK_FULL = "DISK_FULL"
    CHILD_DIED = "CHILD_DIED"
    INTERNAL = "INTERNAL"


ADVICE = {
    FileErrorCode.EMPTY_FILE: "Upload a file that has content.",
    FileErrorCode.NOT_THE_TYPE: "Upload it again under its true type, unpacked.",
    FileErrorCode.UNREADABLE: "Open it in the program it comes from, and export it again.",
    FileErrorCode.UNKNOWN_ENCODING: "Save it as UTF-8, and upload it again.",
    FileErrorCode.NO_TABLE: "Upload a file that holds records.",
    FileErrorCode.NO_SUCH_SHEET: "Name one of the sheets that the workbook has.",
    FileErrorCode.TOO_MANY_COLUMNS: "Leave columns out, or turn them into rows.",
    FileErrorCode.LINE_TOO_LONG: "Check that the file has line breaks, and shorten long values.",
    FileErrorCode.UNSAFE_XML: "Export plain records, without a document type or entities.",
    FileErrorCode.UNPACKED_TOO_LARGE: "Split it into smaller files, or upload it as CSV.",
    FileErrorCode.OUTPUT_TOO_LARGE: "Split it into smaller files.",
    FileErrorCode.MAPPING_DOES_NOT_FIT: "Start it again with another mapping, or with none.",
    FileErrorCode.OUT_OF_MEMORY: "Split it into smaller files, or upload it as CSV or Parquet.",
    FileErrorCode.TIMED_OUT: "Split it into smaller files.",
    FileErrorCode.DISK_FULL: "Try again later; an operator has to make room on the worker.",
    FileErrorCode.CHILD_DIED: "Try again; report it if it happens twice.",
    FileErrorCode.INTERNAL: "Report it: this is a fault of ours, and the file is kept.",
}

# Only what may go well on another attempt: the same file meets the same limits every time.
RETRYABLE = frozenset({FileErrorCode.DISK_FULL, FileErrorCode.CHILD_DIED})

# What says nothing of the file itself: another machine, another attempt or other parameters may do.
BLAMELESS = RETRYABLE | {FileErrorCode.INTERNAL, FileErrorCode.NO_SUCH_SHEET}


class FileError(Exception):
    """The file cannot be worked on. The message says what was found and what to do about it."""

    def __init__(self, code: FileErrorCode, found: str) -> None:
        super().__init__(f"{found} {ADVICE[code]}")
        self.code = code
        self.message = str(self)

    @property
    def retryable(self) -> bool:
        """Whether another attempt at the same file may go well."""
        return self.code in RETRYABLE
