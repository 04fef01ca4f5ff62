"""The rows that the benches of reads ask for: the same ones for the same number and moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from datetime import datetime

STATEMENTS = Path(__file__).with_name("population.sql")


async def populate(owner_url: str, datasets: int, until: datetime) -> None:
    """Loads ``datasets`` datasets brought in the half year before ``until``.

    Each has three jobs, and those that went well leave two results: a hundred thousand datasets
    come with 300,000 jobs and some 195,000 results. Four in a thousand, the newest ones, still have
    a job that waits or runs. They belong to the three departments of the first accounts, which must
    be there, and to five made below them; one department has three fifths of all. No worker may be
    running: it would take the waiting jobs, whose files are nowhere.
    """
    connection = await asyncpg.connect(owner_url.replace("+asyncpg", ""), command_timeout=600)
    try:
        async with connection.transaction():
            await connection.execute("set local statement_timeout = 0")
            # A bench's rows may be lost with its servers, so nobody waits for the disk.
            await connection.execute("set local synchronous_commit = off")
            await connection.execute(
                "select set_config('population.datasets', $1, true), "
                "set_config('population.until', $2, true)",
                str(datasets),
                until.isoformat(),
            )
            await connection.execute(STATEMENTS.read_text(encoding="utf-8"))
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
