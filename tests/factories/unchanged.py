"""What is in the tables, to prove that a refusal changed nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TABLES = (
    "departments",
    "users",
    "workspaces",
    "datasets",
    "uploads",
    "jobs",
    "job_attempts",
    "job_events",
    "idempotency_keys",
    "results",
)


@asynccontextmanager
async def nothing_changes(owner: Any) -> AsyncIterator[None]:
    """Fails where any row of any table is another one afterwards."""
    before = await contents(owner)
    yield
    after = await contents(owner)
    assert after == before


async def contents(owner: Any) -> dict[str, str]:
    """A digest of each table."""
    return {
        table: await owner.fetchval(
            f"select coalesce(md5(string_agg(t::text, '|' order by t.id)), '') from {table} t"  # noqa: S608
        )
        for table in TABLES
    }
