"""The task *validation*: finds out what is in a file, and which of its records can't be kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import duckdb

from workers.engines.opening import open_table, type_columns
from workers.engines.rejects import Rejects

if TYPE_CHECKING:
    from workers.engines.task import Request

VERSION = 1


def validate(request: Request) -> dict[str, Any]:
    """Gives the validation report, ``docs/schemas/validation_report.v1.json``.

    Leaves the rejects file in the job directory if any record was rejected. Raises `FileError`.
    """
    began = time.monotonic()
    table = open_table(request)
    type_columns(table, request)
    request.progress.stage("Writing the report", 95, 100)
    return {
        "version": VERSION,
        "file_type": request.file_type,
        "bytes": request.input.stat().st_size,
        "rows": {
            "read": table.kept + table.rejected,
            "kept": table.kept,
            "rejected": table.rejected,
        },
        "columns": [column.document() for column in table.columns],
        **Rejects().document(),
        "replaced_nul_characters": 0,
        **table.details,
        "warnings": table.warnings,
        "seconds": round(time.monotonic() - began, 3),
        "engine": f"duckdb {duckdb.__version__}",
    }
