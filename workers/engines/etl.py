"""The task *etl*: writes a file's records as one typed Parquet file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from workers.engines.duck import identifier, literal, select
from workers.engines.errors import FileError
from workers.engines.forms import value_sql
from workers.engines.opening import open_table, read_table, reopen_table, type_columns
from workers.engines.rejects import REJECTS
from workers.engines.task import OUTPUT

if TYPE_CHECKING:
    from workers.engines.table import Table
    from workers.engines.task import Request

VERSION = 1

# DuckDB's own row groups hold 122,880 rows (60 vectors of 2,048); wide tables need smaller ones.
VECTOR_ROWS, GROUP_VECTORS, GROUP_CELLS = 2048, 60, 12_000_000

# Each text column's dictionary takes this much memory at once, whatever it will hold.
DICTIONARY_BYTES, ALL_DICTIONARY_BYTES = 1 << 20, 128 << 20


def convert(request: Request) -> dict[str, Any]:
    """Gives the etl summary, ``docs/schemas/etl_summary.v1.json``.

    Leaves ``output.parquet`` in the job directory. With the validation report in the params the
    file is read once, by that; without one, or if the file turns out not to match it, it is
    validated first, which leaves the rejects file too. Raises `FileError`.
    """
    began = time.monotonic()
    table, nulls = _by_report(request) or _from_scratch(request)
    request.progress.stage("Writing the summary", 98, 100)
    return {
        "version": VERSION,
        "rows": {
            "read": table.kept + table.rejected,
            "kept": table.kept,
            "rejected": table.rejected,
        },
        "columns": [
            {**column.document(), "nulls": empty}
            for column, empty in zip(table.columns, nulls, strict=True)
        ],
        "bytes": {"in": request.input.stat().st_size, "out": Path(OUTPUT).stat().st_size},
        "seconds": round(time.monotonic() - began, 3),
        "engine": f"duckdb {duckdb.__version__}",
    }


def _by_report(request: Request) -> tuple[Table, list[int]] | None:
    report = request.params.get("validation")
    if not isinstance(report, dict):
        return None
    try:
        table = reopen_table(request, report)
        return None if table is None else (table, _write(table, request, 12))
    except (FileError, KeyError, TypeError, ValueError, AttributeError):
        return None  # The report is of another file or shape: the file itself is asked again.


def _from_scratch(request: Request) -> tuple[Table, list[int]]:
    Path(REJECTS).unlink(missing_ok=True)
    table = open_table(request)
    if not table.typed:
        type_columns(table, request)
    return table, _write(table, request, 60)


def _write(table: Table, request: Request, start: int) -> list[int]:
    """Writes the Parquet file, and gives the NULLs of each column."""
    request.progress.stage("Writing Parquet", start, 98)
    values = ", ".join(
        f"{_value(table, at)} as {identifier(column.name)}"
        for at, column in enumerate(table.columns)
    )
    width = len(table.columns)
    vectors = min(max(GROUP_CELLS // (width * VECTOR_ROWS), 1), GROUP_VECTORS)
    dictionary = min(ALL_DICTIONARY_BYTES // width, DICTIONARY_BYTES)
    options = (
        f"format parquet, compression zstd, row_group_size {vectors * VECTOR_ROWS},"
        f" string_dictionary_page_size_limit {dictionary}"
    )

    def read(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[int, list[int]]:
        with request.progress.following(connection):
            row = connection.execute(
                f"copy ({select(values, relation)}) to {literal(OUTPUT)} ({options})"
            ).fetchone()
        nulls = dict(
            connection.execute(
                "select column_id, sum(stats_null_count)::bigint"
                " from parquet_metadata($file) group by column_id",
                {"file": OUTPUT},
            ).fetchall()
        )
        for at in (at for at in range(width) if nulls.get(at) is None):
            # Of some types, such as intervals, the file keeps no count.
            asked = f"count(*) - count({identifier(table.columns[at].name)})"
            empty = connection.execute(select(asked, literal(OUTPUT))).fetchone()
            nulls[at] = empty[0] if empty else 0
        return (row[0] if row else 0), [nulls[at] for at in range(width)]

    return read_table(table, request, read)


def _value(table: Table, at: int) -> str:
    column = table.columns[at]
    return f"c{at}" if table.typed else value_sql(column.type, column.format, f"c{at}")
