"""Opens Parquet files: their types are known, what is in question is whether they can be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb

from workers.engines.duck import connect, identifier, literal, select
from workers.engines.errors import FileError, FileErrorCode
from workers.engines.headers import unique_names
from workers.engines.limits import MAX_COLUMNS, MAX_PARQUET_BYTES, MAX_PARQUET_ROWS
from workers.engines.table import Column, Table

if TYPE_CHECKING:
    from workers.engines.task import Request

NESTED = re.compile(r"^(?:STRUCT|MAP|UNION|VARIANT)\b|\]$")
NAMES = {
    "VARCHAR": "text",
    "JSON": "json",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "TIME WITH TIME ZONE": "timetz",
}


def open_parquet(request: Request) -> Table:
    """Describes the file by its footer. Raises `FileError`.

    The footer's claims are held against the limits before any data is read; the child's limits of
    memory, time and file size hold against what the footer does not tell.
    """
    request.progress.stage("Reading the footer", 2, 10)
    source = f"read_parquet({literal(str(request.input))})"
    connection = connect(request.memory_bytes, 1)
    try:
        rows = _check_footer(connection, str(request.input))
        described = connection.execute(f"describe {select('*', source)}").fetchall()
    except (duckdb.OutOfMemoryException, duckdb.PermissionException):
        raise
    except duckdb.Error as error:
        raise _unreadable(error) from error
    finally:
        connection.close()
    sources = [str(row[0]) for row in described]
    nested = [NESTED.search(str(row[1])) is not None for row in described]
    values = ", ".join(
        f"{f'to_json({identifier(name)})::varchar' if deep else identifier(name)} as c{at}"
        for at, (name, deep) in enumerate(zip(sources, nested, strict=True))
    )
    relation = f"({select(values, source)})"
    names = unique_names(sources)
    columns = [
        Column(name, source, "json" if deep else _type_name(str(row[1])))
        for name, source, deep, row in zip(names, sources, nested, described, strict=True)
    ]
    readings = [("parallel", lambda: relation)]
    return Table(sources, names, rows, 0, readings, typed=True, columns=columns)


def _check_footer(connection: duckdb.DuckDBPyConnection, path: str) -> int:
    row = connection.execute(
        "select num_rows from parquet_file_metadata($file)", {"file": path}
    ).fetchone()
    sizes = connection.execute(
        "select coalesce(sum(total_uncompressed_size), 0), count(distinct column_id)"
        " from parquet_metadata($file)",
        {"file": path},
    ).fetchone()
    rows, (size, columns) = int(row[0]) if row else 0, sizes or (0, 0)
    if columns > MAX_COLUMNS:
        raise FileError(
            FileErrorCode.TOO_MANY_COLUMNS,
            f"The file has {columns:,} columns; {MAX_COLUMNS:,} are the most.",
        )
    if rows > MAX_PARQUET_ROWS or rows < 0:
        raise FileError(FileErrorCode.UNPACKED_TOO_LARGE, f"The file claims {rows:,} rows.")
    if size > MAX_PARQUET_BYTES:
        raise FileError(FileErrorCode.UNPACKED_TOO_LARGE, f"The file unpacks to {size:,} bytes.")
    return rows


def _type_name(type: str) -> str:
    """Names a DuckDB type as reports do: in lower case, some by a shorter word."""
    return NAMES.get(type, "text" if type.startswith("ENUM") else type.lower())


def _unreadable(error: duckdb.Error) -> FileError:
    found = str(error).splitlines()[0][:300]
    return FileError(FileErrorCode.UNREADABLE, f"The Parquet file can't be read: {found}.")
