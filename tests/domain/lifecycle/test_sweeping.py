from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from domain.bell import Silence
from domain.errors import Unavailable
from domain.lifecycle.completion import complete_upload
from domain.lifecycle.deletion import delete_dataset
from domain.lifecycle.sweeping import Swept, due_uploads, sweep_upload
from domain.lifecycle.uploads import abort_upload
from domain.storage import Storage
from tests.domain.lifecycle.conftest import MiB, Sender
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Row

CONTENT = b"a,b\n1,2\n"
LARGE = os.urandom(6 * MiB).replace(b"\0", b"a")


async def due(sender: Sender, upload_id: UUID) -> Row | None:
    found = await due_uploads(sender.database, 10_000)
    return next((row for row in found if row.id == upload_id), None)


async def swept(sender: Sender, upload_id: UUID) -> Swept:
    row = await due(sender, upload_id)
    assert row is not None
    return await sweep_upload(sender.database, Silence(), sender.storage, row)


async def age(owner: Any, upload_id: UUID, *, updated: str = "0", expired: str = "0") -> None:
    """Makes an upload older; the trigger that keeps the time of a change is off meanwhile."""
    async with owner.transaction():
        await owner.execute("alter table uploads disable trigger touch")
        await owner.execute(
            "update uploads set updated_at = updated_at - $2::text::interval, "
            "expires_at = expires_at - $3::text::interval where id = $1",
            upload_id,
            updated,
            expired,
        )
        await owner.execute("alter table uploads enable trigger touch")


async def test_looks_at_an_open_upload_after_a_quiet_minute(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(LARGE)
    assert await due(sender, upload_id) is None
    await age(owner, upload_id, updated="2 minutes")
    await sender.send(upload_id, LARGE, only=[1])
    assert await swept(sender, upload_id) is Swept.OPEN
    upload = await sender.upload(upload_id)
    assert (upload.status, upload.uploaded_chunks, upload.upload_progress) == ("uploading", 1, 83)
    assert await due(sender, upload_id) is None
    await sender.send(upload_id, LARGE, only=[2])
    await complete_upload(sender.flow, upload_id)


@pytest.mark.parametrize("content", [CONTENT, LARGE])
@pytest.mark.parametrize(("updated", "expired"), [("2 minutes", "0"), ("0", "25 hours")])
async def test_completes_what_a_client_forgot_to(
    sender: Sender, owner: Any, content: bytes, updated: str, expired: str
) -> None:
    upload_id = await sender.begin(content)
    await sender.send(upload_id, content)
    await age(owner, upload_id, updated=updated, expired=expired)
    assert await swept(sender, upload_id) is Swept.COMPLETED
    upload = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    job = await owner.fetchrow("select * from jobs where dataset_id = $1", upload.dataset_id)
    assert upload.status == "uploaded"
    assert (job.job_type, job.created_by) == ("validation", sender.person.id)


@pytest.mark.parametrize("content", [CONTENT, LARGE])
async def test_expires_what_never_arrived(sender: Sender, owner: Any, content: bytes) -> None:
    upload_id = await sender.begin(content)
    if content is LARGE:
        await sender.send(upload_id, content, only=[1])
    await age(owner, upload_id, expired="25 hours")
    assert await swept(sender, upload_id) is Swept.EXPIRED
    upload = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    dataset = await owner.fetchrow("select * from datasets where id = $1", upload.dataset_id)
    assert (upload.status, dataset.status, dataset.deleted_at) == ("expired", "failed", None)
    assert dataset.validation_errors[0]["code"] == "upload_expired"
    assert await sender.storage.list_multiparts(upload.s3_key) == []


async def test_expires_what_its_owner_may_no_longer_complete(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    upload = await sender.upload(upload_id)
    await owner.execute("update users set is_active = false where id = $1", sender.person.id)
    await age(owner, upload_id, updated="2 minutes")
    assert await swept(sender, upload_id) is Swept.OPEN
    await age(owner, upload_id, expired="25 hours")
    assert await swept(sender, upload_id) is Swept.EXPIRED
    assert await sender.storage.head(upload.s3_key) is None
    assert (
        await owner.fetchval("select count(*) from jobs where created_by = $1", upload.owner_id)
        == 0
    )


async def test_fails_what_is_not_its_type(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(b"%PDF-1.7")
    await sender.send(upload_id, b"%PDF-1.7")
    await age(owner, upload_id, updated="2 minutes")
    assert await swept(sender, upload_id) is Swept.OPEN
    assert await owner.fetchval("select status from uploads where id = $1", upload_id) == "failed"
    assert await due(sender, upload_id) is None


async def test_removes_bytes_that_came_after_the_end(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    (part,) = await sender.parts(upload_id)
    await abort_upload(sender.flow, upload_id)
    async with httpx.AsyncClient() as client:
        await client.put(part.request.url, content=CONTENT, headers=dict(part.request.headers))
    assert await sender.storage.head(f"incoming/{upload_id}") == len(CONTENT)
    assert await due(sender, upload_id) is None
    await age(owner, upload_id, expired="25 hours")
    assert await swept(sender, upload_id) is Swept.CLEARED
    assert await sender.storage.head(f"incoming/{upload_id}") is None
    assert await due(sender, upload_id) is None


async def test_keeps_what_a_validation_still_needs(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    done = await complete_upload(sender.flow, upload_id)
    await age(owner, upload_id, expired="25 hours")
    assert await due(sender, upload_id) is None
    await owner.execute(
        "update jobs set status = 'failed', completed_at = now() where id = $1", done.job_id
    )
    assert await due(sender, upload_id) is None
    await age(owner, upload_id, expired="91 days")
    assert await swept(sender, upload_id) is Swept.CLEARED


async def test_removes_what_a_deleted_dataset_left(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    upload = await sender.upload(upload_id)
    (part,) = await sender.parts(upload_id)
    await delete_dataset(sender.flow, upload.dataset_id)
    async with httpx.AsyncClient() as client:
        await client.put(part.request.url, content=CONTENT, headers=dict(part.request.headers))
    await age(owner, upload_id, expired="25 hours")
    assert await swept(sender, upload_id) is Swept.CLEARED
    assert await sender.storage.head(upload.s3_key) is None


async def test_waits_for_a_storage_that_is_away(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    await age(owner, upload_id, expired="25 hours")
    row = await due(sender, upload_id)
    assert row is not None
    broken = Storage(sender.settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"}))
    await broken.open()
    async with nothing_changes(owner):
        with pytest.raises(Unavailable):
            await sweep_upload(sender.database, Silence(), broken, row)
    await broken.close()
