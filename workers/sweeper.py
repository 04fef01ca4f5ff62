"""What time brings: leases that ran out, uploads that nobody completed, things past their keeping.

Every step is safe to repeat and to run in several workers at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from domain.catalog import keys
from domain.errors import DomainError
from domain.lifecycle.sweeping import due_uploads, sweep_upload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from domain.database import Row
    from workers.runs import Parts

log = logging.getLogger(__name__)

BATCH = 100
JOBS_SECONDS = 2.0
UPLOADS_SECONDS = 30.0
KEEPING_SECONDS = 3600.0


class Sweeper:
    """Sweeps one thing or another whenever its time has come."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reached = time.monotonic()

    async def sweep_again_and_again(self) -> None:
        """Sweeps until cancelled; what fails is logged and tried again."""
        await asyncio.gather(
            self._every(JOBS_SECONDS, self.sweep_jobs),
            self._every(UPLOADS_SECONDS, self.sweep_uploads),
            self._every(KEEPING_SECONDS, self.sweep_datasets),
            self._every(KEEPING_SECONDS, self.sweep_records),
            self._every(KEEPING_SECONDS, self.sweep_identity),
            self._every(KEEPING_SECONDS, self.make_partitions),
        )

    async def sweep_jobs(self) -> int:
        """Takes back jobs whose lease ran out; gives how many.

        After the database could not be reached, it waits one lease: nobody could renew meanwhile.
        """
        lease = self._parts.settings.lease_seconds
        away = time.monotonic() - self._reached
        if away > lease:
            await self._rows("select 1")
            self._reached = time.monotonic()
            await asyncio.sleep(lease)
        rows = await self._rows("select * from sweep_jobs($1)", timedelta(seconds=lease))
        self._reached = time.monotonic()
        if rows:
            log.warning("took back %s jobs whose worker stopped answering", len(rows))
            await self._parts.bell.events()
            await self._parts.bell.work()
        return len(rows)

    async def sweep_uploads(self) -> int:
        """Completes uploads that a client forgot, expires others, and clears what is left."""
        parts = self._parts
        rows = await due_uploads(parts.database, BATCH)
        for row in rows:
            try:
                await sweep_upload(parts.database, parts.bell, parts.storage, row)
            except DomainError as error:
                log.info("upload %s could not be swept: %s", row.id, error.message)
        return len(rows)

    async def sweep_datasets(self) -> int:
        """Deletes raw files after 90 days, and deleted datasets with all they have after 30."""
        rows = await self._rows("select * from sweep_datasets($1)", BATCH)
        for row in rows:
            storage = self._parts.storage
            if row.purge:
                await storage.delete_prefix(keys.dataset_prefix(row.department_id, row.id))
                await self._rows("select purge_dataset($1)", row.id)
            else:
                await storage.delete([row.s3_key_raw])
                await self._rows("select forget_raw($1)", row.id)
        return len(rows)

    async def sweep_records(self) -> int:
        """Deletes events, keys and sessions past their time, in batches until none are left."""
        return await self._in_batches("select sweep_records($1) as count")

    async def sweep_identity(self) -> int:
        """Deletes one-time codes, counts of attempts and API tokens past their time."""
        return await self._in_batches("select sweep_identity($1) as count")

    async def make_partitions(self) -> int:
        """Makes the audit log's partitions of this year and the next one; gives how many."""
        (row,) = await self._rows("select make_audit_partitions() as count")
        return int(row["count"])

    async def _in_batches(self, text: str) -> int:
        deleted: int = 0
        while True:
            (row,) = await self._rows(text, 1000)
            deleted += row["count"]
            if row["count"] == 0:
                return deleted

    async def _every(self, seconds: float, sweep: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await sweep()
            except (DomainError, asyncpg.PostgresError, OSError) as error:
                log.warning("a sweep failed and is tried again: %s", type(error).__name__)
            await asyncio.sleep(seconds)

    async def _rows(self, text: str, *arguments: Any) -> list[Row]:
        return await self._parts.database.call(text, *arguments)
