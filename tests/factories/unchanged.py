"""What is in the tables, to prove that a refusal changed nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

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


@asynccontextmanager
async def nothing_else_changes(owner: Any, *datasets: UUID) -> AsyncIterator[list[UUID]]:
    """Gives a list for further datasets that may change, with all that hangs on them.

    Fails where any row of anything else is another one afterwards.
    """
    own = list(datasets)
    before = await _rows_beside(owner, own)
    yield own
    after = await _rows_beside(owner, own)
    changed = [table for table in TABLES if after[table] != before[table]]
    assert not changed, changed


async def _rows_beside(owner: Any, datasets: list[UUID]) -> dict[str, str]:
    return {
        table: await owner.fetchval(
            "select coalesce(md5(string_agg(t::text, '|' order by t.id)), '')"  # noqa: S608
            f" from {table} t, to_jsonb(t) j where t.id::text <> all ($1::text[])"
            " and coalesce(j ->> 'dataset_id', '') <> all ($1::text[])"
            " and coalesce(j ->> 'job_id', '') not in"
            " (select id::text from jobs where dataset_id = any ($1::text[]::uuid[]))",
            [str(key) for key in datasets],
        )
        for table in TABLES
    }
