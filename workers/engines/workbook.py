"""Opens Excel and OpenDocument workbooks: one sheet is one table."""

from __future__ import annotations

import datetime as dt
import zipfile
from itertools import islice
from typing import TYPE_CHECKING

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from workers.engines.archive import check_archive
from workers.engines.documents import Item, Number, collect
from workers.engines.errors import FileError, FileErrorCode
from workers.engines.headers import is_header
from workers.engines.limits import MAX_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engines.progress import Progress
    from workers.engines.table import Table
    from workers.engines.task import Request

HEADER_ROWS = 20
BODY_ROWS = 200
SAFE_INTEGER = 2**53
"""Up to here a double holds every integer, and workbooks hold all numbers as doubles."""

Cell = int | float | str | bool | dt.date | dt.time | dt.timedelta


def open_workbook(request: Request) -> Table:
    """Collects the rows of the sheet that the params name, or of the first that has any.

    Raises `FileError`.
    """
    progress = request.progress
    progress.stage("Checking the archive", 2, 10)
    if zipfile.is_zipfile(request.input):
        parts = check_archive(request.input)
        if not any(part.startswith("xl/") or part == "content.xml" for part in parts):
            raise FileError(
                FileErrorCode.NOT_THE_TYPE,
                "The file is called excel, but its content is another kind of zip archive.",
            )
    progress.stage("Reading the workbook", 10, 30)
    try:
        with CalamineWorkbook.from_path(str(request.input)) as workbook:
            sheet = _sheet(workbook, request.params.get("sheet"))
    except PasswordError as error:
        raise FileError(
            FileErrorCode.UNREADABLE, "The workbook is protected by a password."
        ) from error
    except CalamineError as error:
        raise FileError(
            FileErrorCode.UNREADABLE, f"The workbook can't be read: {error}."
        ) from error
    progress.stage("Reading rows", 30, 50)
    rows = _Rows(sheet)
    table, _ = collect(lambda: rows.items(progress), rows.names)
    table.details["dialect"] = {"sheet": sheet.name, "header": rows.header is not None}
    table.details["blank_lines"] = rows.blank
    return table


def _sheet(workbook: CalamineWorkbook, wanted: object) -> CalamineSheet:
    if wanted is not None:
        if wanted not in workbook.sheet_names:
            listed = ", ".join(workbook.sheet_names[:20])
            raise FileError(
                FileErrorCode.NO_SUCH_SHEET,
                f"No sheet is named {wanted!s:.100}. There are: {listed}.",
            )
        return workbook.get_sheet_by_name(str(wanted))
    for name in workbook.sheet_names:
        sheet = workbook.get_sheet_by_name(name)
        if sheet.start is not None and sheet.height > 0:
            return sheet
    raise FileError(FileErrorCode.NO_TABLE, "No sheet of the workbook has any cells.")


class _Rows:
    """A sheet's rows: which is the header, and which are records."""

    def __init__(self, sheet: CalamineSheet) -> None:
        self._sheet = sheet
        self._first = (sheet.start or (0, 0))[0] + 1
        self._width = max((_filled(row)[-1] + 1 for row in self._values()), default=0)
        if self._width == 0:
            raise FileError(FileErrorCode.NO_TABLE, "The sheet has no cells with values.")
        if self._width > MAX_COLUMNS:
            raise FileError(
                FileErrorCode.TOO_MANY_COLUMNS,
                f"The sheet has {self._width:,} columns; {MAX_COLUMNS:,} are the most.",
            )
        self.header: int | None = None
        self._above = 0
        self._sources = [""] * self._width
        self.blank = 0
        self._find_header()

    def names(self, keys: list[str]) -> list[str]:
        """Gives the columns' names in the file; `keys` are their places."""
        return [self._sources[int(key)] for key in keys]

    def items(self, progress: Progress) -> Iterator[Item]:
        """Gives the rows below the header as records, and rejects those above it."""
        height = max(self._sheet.height, 1)
        self.blank = 0
        for at, row in enumerate(self._sheet.iter_rows()):
            if at % 1000 == 0:
                progress.reach(at / height)
            if at == self.header:
                continue
            number = self._first + at
            if not _filled(row):
                self.blank += 1
            elif at < self._above:
                text = "\t".join(str(cell) for cell in row[: self._width])
                message = "It stands above the row that names the columns."
                yield Item(number, None, text, "ABOVE_HEADER", message)
            else:
                values = {str(place): _value(cell) for place, cell in enumerate(row[: self._width])}
                yield Item(number, values, "\t".join(str(cell) for cell in row[:20]))

    def _values(self) -> Iterator[list[Cell]]:
        return (row for row in self._sheet.iter_rows() if _filled(row))

    def _find_header(self) -> None:
        rows = [
            (at, row)
            for at, row in enumerate(islice(self._sheet.iter_rows(), BODY_ROWS))
            if _filled(row)
        ]
        most = max((len(_filled(row)) for _, row in rows), default=0)
        for place, (at, row) in enumerate(rows[:HEADER_ROWS]):
            if len(_filled(row)) * 2 < most:
                continue  # A title or a note above the table.
            first = [_as_bytes(cell) for cell in row[: self._width]]
            body = [
                [_as_bytes(cell) for cell in each[: self._width]] for _, each in rows[place + 1 :]
            ]
            if is_header(first, body):
                self.header = at
                self._sources = [(cell or b"").decode() for cell in first]
            self._above = at
            return


def _filled(row: list[Cell]) -> list[int]:
    return [at for at, cell in enumerate(row) if cell != ""]


def _value(cell: Cell) -> object:
    """Gives a cell as a value of a document: None, a truth value, a number, or text."""
    if cell == "":
        return None
    if isinstance(cell, bool | str):
        return cell
    if isinstance(cell, float):
        whole = cell.is_integer() and abs(cell) < SAFE_INTEGER
        return Number(str(int(cell)) if whole else repr(cell))
    if isinstance(cell, int):
        return Number(str(cell))
    if isinstance(cell, dt.timedelta):
        return str(cell)
    return cell.isoformat()


def _as_bytes(cell: Cell) -> bytes | None:
    value = _value(cell)
    if value is None:
        return None
    return (str(value).lower() if isinstance(value, bool) else str(value)).encode(
        "utf-8", "replace"
    )
