"""DuckDB as the engines use it: confined to the job directory, within the child's memory."""

from __future__ import annotations

from pathlib import Path

import duckdb

THREADS = 2
WIDE_COLUMNS = 512
"""Columns above which one thread works alone: each holds a vector of every column."""

MEMORY_SHARE = 0.5
"""DuckDB's part of the child's memory. Readers and writers take more beside it."""

SPILL = "spill"


def connect(
    memory_bytes: int, columns: int, *, threads: int = THREADS
) -> duckdb.DuckDBPyConnection:
    """Opens a database in memory that can reach the working directory and nothing else.

    Files elsewhere, the network, extensions and its own settings are out of its statements' reach.
    What does not fit into memory goes to a folder of the working directory.
    """
    Path(SPILL).mkdir(exist_ok=True)
    connection = duckdb.connect(
        config={
            "threads": 1 if columns > WIDE_COLUMNS else threads,
            "memory_limit": f"{int(memory_bytes * MEMORY_SHARE) >> 10}KiB",
            "temp_directory": SPILL,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
    )
    for setting in (
        f"set allowed_directories = [{literal(str(Path.cwd()) + '/')}]",
        "set enable_progress_bar = true",  # Without it there is no progress to ask for either.
        "set enable_progress_bar_print = false",
        "set enable_external_access = false",
        "set TimeZone = 'UTC'",
        "set lock_configuration = true",
    ):
        connection.execute(setting)
    return connection


def literal(text: str) -> str:
    """Writes a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Writes a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def select(asked: str, relation: str, rest: str = "") -> str:
    """Puts a query together. All parts are our own words, literals and identifiers made above."""
    return f"select {asked} from {relation} {rest}"  # noqa: S608 - as said, nothing else goes in
