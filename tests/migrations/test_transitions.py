"""Which way a status goes, for every pair of words of every status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from domain.catalog.models import DatasetStatus, UploadStatus
from domain.jobs.models import FINAL, JobStatus
from tests.factories.databases import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from enum import StrEnum

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Rows

STATUSES: dict[str, type[StrEnum]] = {
    "datasets": DatasetStatus,
    "uploads": UploadStatus,
    "jobs": JobStatus,
}
ALLOWED = {
    "datasets": {
        "uploading": {"uploaded", "failed"},
        "uploaded": {"validating", "failed"},
        "validating": {"validated", "failed", "uploaded", "completed"},
        "validated": {"validating", "processing", "failed"},
        "processing": {"completed", "failed", "validated"},
        "completed": {"validating", "processing", "failed"},
        "failed": {"uploaded", "validating", "processing"},
    },
    "uploads": {
        "uploading": {"uploaded", "failed", "aborted", "expired"},
        "uploaded": {"processing", "completed", "failed"},
        "processing": {"uploaded", "completed", "failed"},
        "failed": {"processing", "completed"},
        "completed": set(),
        "aborted": set(),
        "expired": set(),
    },
    "jobs": {
        "queued": {"processing", "failed", "cancelled"},
        "processing": {"queued", "succeeded", "failed", "cancelled"},
        "succeeded": set(),
        "failed": set(),
        "cancelled": set(),
    },
}
PAIRS = [
    (table, str(old), str(new))
    for table, words in STATUSES.items()
    for old in words
    for new in words
]


@pytest.fixture
async def superuser(servers: Servers, settings: Settings) -> AsyncIterator[Any]:
    """Can put a row into any status, whatever the way there."""
    name = settings.database_url.get_secret_value().rpartition("/")[2]
    async with connected(servers.database(servers.superuser_url, name)) as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


def test_every_word_of_every_status_is_tried() -> None:
    for table, words in STATUSES.items():
        assert set(ALLOWED[table]) == {str(word) for word in words}


@pytest.mark.parametrize(("table", "old", "new"), PAIRS)
async def test_goes_only_where_it_may(
    superuser: Any, rows: Rows, table: str, old: str, new: str
) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    dataset = await rows.dataset(department_id, person.id)
    row = {
        "datasets": lambda: rows.dataset(department_id, person.id),
        "uploads": lambda: rows.upload(dataset, status="uploading"),
        "jobs": lambda: rows.job(department_id, person.id),
    }
    made = await row[table]()

    async def put(status: str) -> None:
        times = ""
        if table == "jobs":
            lease = "now()" if status == JobStatus.PROCESSING else "null"
            end = "now()" if status in FINAL else "null"
            times = f", lease_expires_at = {lease}, completed_at = {end}"
        await superuser.execute(
            f"update {table} set status = $2{times} where id = $1",  # noqa: S608
            made.id,
            status,
        )

    await superuser.execute("set local session_replication_role = replica")
    await put(old)
    await superuser.execute("set local session_replication_role = origin")
    if new == old or new in ALLOWED[table][old]:
        await put(new)
        return
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await put(new)
    assert refusal.value.sqlstate == "AF409"
    assert str(refusal.value) == f"A status of {table} can't go from {old} to {new}."
