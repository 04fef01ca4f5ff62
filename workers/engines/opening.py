"""Opens a file of any type as a table, and decides the types of its columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from workers.engines.deduction import ANY, deduce
from workers.engines.delimited import open_delimited, reopen_delimited
from workers.engines.duck import connect, select
from workers.engines.errors import FileError, FileErrorCode
from workers.engines.json_file import open_json
from workers.engines.parquet_file import open_parquet
from workers.engines.signatures import check_type
from workers.engines.table import Column, Table
from workers.engines.xml_file import open_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.engines.task import Request

Read = TypeVar("Read")

OPENERS: dict[str, Callable[[Request], Table]] = {
    "csv": open_delimited,
    "tsv": open_delimited,
    "json": open_json,
    "jsonl": open_json,
    "xml": open_xml,
    "parquet": open_parquet,
}

NULLS_AT_ONCE = 256
"""Columns that are read in one pass to count their NULLs."""

# A fault of memory, disk or a stopped statement is no fault of the way a file is read.
FINAL = (
    duckdb.OutOfMemoryException,
    duckdb.IOException,
    duckdb.InterruptException,
    duckdb.PermissionException,
)


def open_table(request: Request) -> Table:
    """Opens the file by its type.

    Raises `FileError` when it is not of the type that it claims, or can't be read.
    """
    request.progress.stage("Checking the type of the file", 0, 2)
    check_type(request.input, request.file_type)
    if request.file_type == "excel":
        # Its library is the only one that no other type of file has a use for.
        from workers.engines.workbook import open_workbook  # noqa: PLC0415 - as said above

        return open_workbook(request)
    return OPENERS[request.file_type](request)


def reopen_table(request: Request, report: Mapping[str, Any]) -> Table | None:
    """Opens a file by the report of its validation, or gives None where that saves nothing."""
    usable = (
        report.get("version") == 1
        and report.get("file_type") == request.file_type
        and report.get("bytes") == request.input.stat().st_size
        and request.file_type in ("csv", "tsv")
    )
    if not usable or report["layout"]["rejected"] is None:
        return None
    table = reopen_delimited(request, report)
    table.columns = [
        Column(each["name"], each["source_name"], each["type"], each.get("format"))
        for each in report["columns"]
    ]
    # What the validation had to give up on need not be tried again.
    known = [name for name, _ in table.readings]
    table.readings = table.readings[known.index(report["reading"]) :]
    return table


def type_columns(table: Table, request: Request) -> None:
    """Decides the columns' types by reading the whole table, and counts their NULLs.

    Of a table that has types, all values are read, so that what can't be read is found now.
    """
    if table.typed:
        request.progress.stage("Reading every value", 10, 95)

        def count(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, list[int]]:
            with request.progress.following(connection):
                return _count_nulls(connection, relation)

        nulls = read_table(table, request, count)
        table.columns = [
            replace(column, nulls=empty) for column, empty in zip(table.columns, nulls, strict=True)
        ]
        return
    request.progress.stage("Deciding types", 50, 95)
    families = table.families or [ANY] * len(table.names)

    def read(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, Any]:
        with request.progress.following(connection):
            rows, candidates, warnings = deduce(connection, relation, families, comma=table.comma)
        return rows, (candidates, warnings)

    candidates, warnings = read_table(table, request, read)
    table.columns = [
        Column(
            name,
            source,
            "json" if at in table.json_columns else found.type,
            found.format,
            found.nulls,
        )
        for at, (name, source, found) in enumerate(
            zip(table.names, table.source_names, candidates, strict=True)
        )
    ]
    for warning in warnings:
        table.warnings.append({**warning, "column": table.names[warning["column"]]})


def read_table(
    table: Table,
    request: Request,
    read: Callable[[duckdb.DuckDBPyConnection, str], tuple[int, Read]],
) -> Read:
    """Reads a table by the first of its ways that gives all rows; remembers which that was.

    `read` gets a connection and a relation, and gives the number of rows and what it made of them.
    Raises `UNREADABLE` when no way gives exactly the records that were counted.
    """
    found = "it holds nothing"
    connection = connect(request.memory_bytes, len(table.names))
    try:
        for name, relation in table.readings:
            try:
                rows, made = read(connection, relation())
            except FINAL:
                raise
            except duckdb.Error as error:
                found = str(error).splitlines()[0][:300]
                continue
            if rows == table.kept:
                table.details["reading"] = name
                return made
            found = f"{table.kept:,} records were counted, but {rows:,} rows were read"
    finally:
        connection.close()
    raise FileError(FileErrorCode.UNREADABLE, f"The records can't be read: {found}.")


def _count_nulls(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, list[int]]:
    described = connection.execute(f"describe {select('*', relation)}").fetchall()
    rows, nulls = 0, list[int]()
    for start in range(0, len(described), NULLS_AT_ONCE):
        places = range(start, min(start + NULLS_AT_ONCE, len(described)))
        # A hash needs the value itself, where a count is content with its place.
        asked = ", ".join(f"count(c{at}), bit_xor(hash(c{at}))" for at in places)
        row = connection.execute(select(f"count(*), {asked}", relation)).fetchone()
        rows, *found = row or (0,)
        nulls.extend(rows - values for values in found[::2])
    return rows, nulls
