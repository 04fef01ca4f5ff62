"""A worker's parts on real servers, in a department of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.storage import Storage
from tests.domain.jobs.conftest import CountingBell, Desk, desk
from tests.factories.fixtures import database, owner, rows
from workers.runs import Parts
from workers.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from domain.database import Database
    from domain.settings import Settings

__all__ = ["Desk", "database", "desk", "owner", "rows"]

MiB = 1024 * 1024


@pytest.fixture
async def parts(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Parts]:
    """Short leases, so that what ends with them ends soon."""
    quick = settings.model_copy(update={"lease_seconds": 2.0, "lease_renew_seconds": 0.2})
    storage = Storage(quick)
    await storage.open()
    limits = Limits(
        memory_bytes=1024 * MiB, cpu_seconds=60, wall_seconds=60, file_bytes=100 * MiB, processes=64
    )
    yield Parts(quick, database, storage, CountingBell(), Sandbox(limits, tmp_path))
    await storage.close()
