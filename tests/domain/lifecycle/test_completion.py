from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from domain.errors import Conflict, InvalidInput
from domain.lifecycle.completion import complete_upload
from domain.lifecycle.deletion import delete_dataset
from domain.lifecycle.uploads import abort_upload, resume_upload
from domain.s3 import NoSuchUpload
from domain.storage import Storage
from tests.domain.lifecycle.conftest import MiB, Sender
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories.rows import Rows

CONTENT = b"a,b\n1,2\n"
LARGE = os.urandom(11 * MiB).replace(b"\0", b"a")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def sent(sender: Sender, content: bytes, name: str = "sales.csv") -> UUID:
    upload_id = await sender.begin(content, name)
    await sender.send(upload_id, content)
    return upload_id


@pytest.mark.parametrize("content", [CONTENT, LARGE])
async def test_starts_the_validation(sender: Sender, owner: Any, content: bytes) -> None:
    upload_id = await sent(sender, content)
    done = await complete_upload(sender.flow, upload_id)
    upload = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    dataset = await owner.fetchrow("select * from datasets where id = $1", done.dataset_id)
    job = await owner.fetchrow("select * from jobs where id = $1", done.job_id)
    assert (upload.status, upload.upload_progress) == ("uploaded", 100)
    assert upload.uploaded_chunks == upload.total_chunks
    assert upload.completed_at is not None
    assert dataset.status == "uploaded"
    assert dataset.uploaded_at is not None
    assert (job.job_type, job.status, job.dataset_id) == ("validation", "queued", dataset.id)
    assert (job.department_id, job.created_by) == (dataset.department_id, sender.person.id)
    assert (
        await owner.fetchval("select count(*) from job_events where job_id = $1", done.job_id) == 1
    )
    assert await sender.storage.head(upload.s3_key) == len(content)


@pytest.mark.parametrize("content", [CONTENT, LARGE])
async def test_completing_again_answers_the_same(
    sender: Sender, owner: Any, content: bytes
) -> None:
    upload_id = await sent(sender, content)
    twins = await asyncio.gather(*(complete_upload(sender.flow, upload_id) for _ in range(6)))
    async with nothing_changes(owner):
        again = await complete_upload(sender.flow, upload_id)
    assert set(twins) == {again}
    jobs = await owner.fetchval("select count(*) from jobs where dataset_id = $1", again.dataset_id)
    assert jobs == 1


async def test_completing_after_a_later_validation_answers_the_first(
    sender: Sender, owner: Any, rows: Rows
) -> None:
    upload_id = await sent(sender, CONTENT)
    done = await complete_upload(sender.flow, upload_id)
    await owner.execute(
        "update jobs set status = 'failed', blames_file = true, completed_at = now() where id = $1",
        done.job_id,
    )
    dataset = await owner.fetchrow("select * from datasets where id = $1", done.dataset_id)
    await rows.job(dataset.department_id, sender.person.id, dataset, job_type="validation")
    assert await owner.fetchval("select status from uploads where id = $1", upload_id) == "failed"
    assert await complete_upload(sender.flow, upload_id) == done


async def test_nothing_sent_leaves_the_upload_open(sender: Sender, owner: Any) -> None:
    for content in (CONTENT, LARGE):
        upload_id = await sender.begin(content)
        async with nothing_changes(owner):
            with pytest.raises(Conflict) as refused:
                await complete_upload(sender.flow, upload_id)
        assert refused.value.fields[0].code == "missing_parts"
        await sender.send(upload_id, content)
        assert (await complete_upload(sender.flow, upload_id)).job_id is not None


async def test_missing_parts_are_named_and_nothing_is_lost(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(LARGE)
    await sender.send(upload_id, LARGE, only=[1])
    async with nothing_changes(owner):
        with pytest.raises(Conflict, match=r"2 of 3 parts .*: 2, 3\."):
            await complete_upload(sender.flow, upload_id)
    assert await resume_upload(sender.flow, upload_id) == [2, 3]
    await sender.send(upload_id, LARGE, only=[2, 3])
    await complete_upload(sender.flow, upload_id)


async def test_five_gigabytes_promised_and_five_kilobytes_sent(sender: Sender, owner: Any) -> None:
    five = b"a" * 5000
    upload_id = await sender.begin(Promise(5 * 1024 * MiB))
    (first, *_) = await sender.parts(upload_id)
    async with httpx.AsyncClient() as client:
        answer = await client.put(first.request.url, content=five)
    assert answer.status_code == 403
    async with nothing_changes(owner):
        with pytest.raises(Conflict, match="1024 of 1024 parts"):
            await complete_upload(sender.flow, upload_id)
    await abort_upload(sender.flow, upload_id)


class Promise(bytes):
    """No bytes that claim to be many."""

    size: int

    def __new__(cls, size: int) -> Promise:  # noqa: PYI034 (Self says less here)
        made = super().__new__(cls)
        made.size = size
        return made

    def __len__(self) -> int:
        return self.size


async def test_an_object_of_another_size_is_refused(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    upload = await sender.upload(upload_id)
    # The bucket's other users are not held to the signed size.
    other = await sender.storage.presign_put(upload.s3_key, 3, "text/csv", 60)
    async with httpx.AsyncClient() as client:
        await client.put(other.url, content=b"a,b", headers=dict(other.headers))
    async with nothing_changes(owner):
        with pytest.raises(Conflict, match="3 bytes have arrived, but 8 were promised") as refused:
            await complete_upload(sender.flow, upload_id)
    assert refused.value.fields[0].code == "wrong_size"
    await sender.send(upload_id, CONTENT)
    await complete_upload(sender.flow, upload_id)


async def test_a_part_of_another_size_is_missing(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(LARGE)
    await sender.send(upload_id, LARGE, only=[1, 2])
    upload = await sender.upload(upload_id)
    # The bucket's other users are not held to the signed size.
    other = await sender.storage.presign_part(upload.s3_key, upload.s3_multipart_id, 3, 3, 60)
    async with httpx.AsyncClient() as client:
        assert (await client.put(other.url, content=b"a,b")).status_code == 200
    async with nothing_changes(owner):
        with pytest.raises(Conflict, match=r"1 of 3 parts .*: 3\."):
            await complete_upload(sender.flow, upload_id)
    assert await resume_upload(sender.flow, upload_id) == [3]


async def test_a_lost_answer_of_the_storage_does_no_harm(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await sent(sender, LARGE)
    complete = Storage.complete_multipart

    async def lost(self: Storage, key: str, multipart_id: str, parts: Any) -> None:
        await complete(self, key, multipart_id, parts)
        # What its own second try is told once the first one's answer was lost.
        raise NoSuchUpload

    monkeypatch.setattr(Storage, "complete_multipart", lost)
    assert (await complete_upload(sender.flow, upload_id)).job_id is not None


async def test_claimed_etags_are_compared(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(LARGE)
    etags = await sender.send(upload_id, LARGE)
    async with nothing_changes(owner):
        for claimed in ({**etags, 2: '"0123"'}, {**etags, 4: etags[1]}):
            with pytest.raises(InvalidInput) as refused:
                await complete_upload(sender.flow, upload_id, claimed)
            assert refused.value.fields[0].path == ("parts",)
    plain = {number: etag.strip('"') for number, etag in etags.items()}
    assert (await complete_upload(sender.flow, upload_id, plain)).job_id is not None


async def test_a_picture_called_csv_fails(sender: Sender, owner: Any) -> None:
    upload_id = await sent(sender, PNG)
    with pytest.raises(InvalidInput, match="PNG image") as refused:
        await complete_upload(sender.flow, upload_id)
    assert refused.value.fields[0].code == "wrong_content"
    upload = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    dataset = await owner.fetchrow("select * from datasets where id = $1", upload.dataset_id)
    assert (upload.status, dataset.status) == ("failed", "failed")
    assert [error["code"] for error in dataset.validation_errors] == ["wrong_content"]
    assert await owner.fetchval("select count(*) from jobs where dataset_id = $1", dataset.id) == 0
    assert await sender.storage.head(upload.s3_key) is None
    async with nothing_changes(owner):
        with pytest.raises(Conflict, match="failed"):
            await complete_upload(sender.flow, upload_id)


async def test_a_deleted_dataset_completes_nothing(sender: Sender, owner: Any) -> None:
    upload_id = await sent(sender, CONTENT)
    upload = await sender.upload(upload_id)
    flow = sender.flow
    ends = await asyncio.gather(
        complete_upload(flow, upload_id),
        delete_dataset(flow, upload.dataset_id),
        return_exceptions=True,
    )
    assert ends[1] is None
    row = await owner.fetchrow("select * from datasets where id = $1", upload.dataset_id)
    active = await owner.fetchval(
        "select count(*) from jobs where dataset_id = $1 and status = 'queued'", row.id
    )
    assert row.deleted_at is not None
    assert active == 0
