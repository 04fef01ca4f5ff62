from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from domain.errors import Conflict, Forbidden, NotFound, Unavailable
from domain.lifecycle.completion import complete_upload
from domain.lifecycle.uploads import abort_upload, resume_upload
from domain.storage import Storage
from ops.servers.folder import DataFolder
from ops.servers.s3 import S3
from tests.domain.lifecycle.conftest import MiB, Sender, as_another
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.factories.rows import Person, Rows

CONTENT = b"a,b\n1,2\n"
LARGE = os.urandom(11 * MiB).replace(b"\0", b"a")


async def test_a_small_file_is_one_request(sender: Sender) -> None:
    upload_id = await sender.begin(CONTENT)
    upload = await sender.upload(upload_id)
    (part,) = await sender.parts(upload_id)
    assert (part.number, part.size_bytes) == (1, len(CONTENT))
    assert (part.request.method, part.request.headers) == ("PUT", (("Content-Type", "text/csv"),))
    assert f"/incoming/{upload_id}?" in part.request.url
    assert upload.s3_multipart_id is None
    await sender.send(upload_id, CONTENT)
    assert await sender.storage.head(upload.s3_key) == len(CONTENT)


async def test_a_large_file_is_many_requests(sender: Sender) -> None:
    upload_id = await sender.begin(LARGE)
    parts = await sender.parts(upload_id)
    assert [(part.number, part.size_bytes) for part in parts] == [
        (1, 5 * MiB),
        (2, 5 * MiB),
        (3, 1 * MiB),
    ]
    upload = await sender.upload(upload_id)
    opened = await sender.storage.list_multiparts(upload.s3_key)
    assert [each.multipart_id for each in opened] == [upload.s3_multipart_id]


async def test_twins_with_one_key_share_one_multipart_upload(sender: Sender) -> None:
    twins = await asyncio.gather(*(sender.begin(LARGE, key="k") for _ in range(6)))
    assert len(set(twins)) == 1
    upload = await sender.upload(twins[0])
    opened = await sender.storage.list_multiparts(upload.s3_key)
    assert [each.multipart_id for each in opened] == [upload.s3_multipart_id]


async def test_a_replay_mends_a_start_that_broke_off(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(LARGE, key="k")
    # As if the process had died between the commit and the storage's answer.
    await owner.execute("update uploads set s3_multipart_id = null where id = $1", upload_id)
    assert await sender.parts(upload_id) == []
    assert await sender.begin(LARGE, key="k") == upload_id
    assert len(await sender.parts(upload_id)) == 3
    await sender.send(upload_id, LARGE)
    await complete_upload(sender.flow, upload_id)


async def test_a_start_without_storage_can_be_repeated(sender: Sender, owner: Any) -> None:
    settings = sender.settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})
    broken = Storage(settings)
    await broken.open()
    with pytest.raises(Unavailable):
        await Sender(sender.database, broken, settings, sender.person).begin(LARGE, key="k")
    await broken.close()
    upload_id = await sender.begin(LARGE, key="k")
    assert len(await sender.parts(upload_id)) == 3
    assert await owner.fetchval("select count(*) from uploads where id = $1", upload_id) == 1


async def test_resuming_names_what_is_missing(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(LARGE)
    assert await resume_upload(sender.flow, upload_id) == [1, 2, 3]
    await sender.send(upload_id, LARGE, only=[1, 2])
    assert await resume_upload(sender.flow, upload_id) == [3]
    row = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    assert (row.uploaded_chunks, row.upload_progress) == (2, 90)
    await sender.send(upload_id, LARGE, only=[3])
    assert await resume_upload(sender.flow, upload_id) == []
    await complete_upload(sender.flow, upload_id)
    with pytest.raises(Conflict, match="uploaded"):
        await resume_upload(sender.flow, upload_id)


async def test_resuming_a_single_request_asks_for_the_object(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    assert await resume_upload(sender.flow, upload_id) == [1]
    await sender.send(upload_id, CONTENT)
    assert await resume_upload(sender.flow, upload_id) == []
    row = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    assert (row.uploaded_chunks, row.upload_progress) == (1, 100)


async def test_resuming_a_forgotten_upload_opens_it_anew(sender: Sender) -> None:
    upload_id = await sender.begin(LARGE)
    await sender.send(upload_id, LARGE, only=[1, 2])
    before = await sender.upload(upload_id)
    await sender.storage.abort_multipart(before.s3_key, before.s3_multipart_id)
    twins = await asyncio.gather(*(resume_upload(sender.flow, upload_id) for _ in range(4)))
    assert twins == [[1, 2, 3]] * 4
    after = await sender.upload(upload_id)
    assert after.s3_multipart_id != before.s3_multipart_id
    assert after.upload_progress == 0
    opened = await sender.storage.list_multiparts(after.s3_key)
    assert [each.multipart_id for each in opened] == [after.s3_multipart_id]
    await sender.send(upload_id, LARGE)
    assert (await complete_upload(sender.flow, upload_id)).upload_id == upload_id


async def test_resuming_finds_the_object_of_a_completion_that_broke_off(sender: Sender) -> None:
    upload_id = await sender.begin(LARGE)
    await sender.send(upload_id, LARGE)
    upload = await sender.upload(upload_id)
    parts = await sender.storage.list_parts(upload.s3_key, upload.s3_multipart_id)
    await sender.storage.complete_multipart(upload.s3_key, upload.s3_multipart_id, parts)
    assert await resume_upload(sender.flow, upload_id) == []
    assert (await sender.upload(upload_id)).upload_progress == 100
    await complete_upload(sender.flow, upload_id)


async def test_an_upload_outlives_a_restart_of_the_storage(
    sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path)
    server = S3(folder)
    await server.start()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    settings = sender.settings.model_copy(
        update={"s3_endpoint_url": server.endpoint_url, "s3_bucket": "aetherflow"}
    )
    storage = Storage(settings)
    await storage.open()
    there = Sender(sender.database, storage, settings, sender.person)
    try:
        upload_id = await there.begin(LARGE)
        await there.send(upload_id, LARGE, only=[1])
        assert await resume_upload(there.flow, upload_id) == [2, 3]
        await server.stop()
        with pytest.raises(Unavailable):
            await resume_upload(there.flow, upload_id)
        await server.start()
        with pytest.raises(Conflict, match="resumeUpload"):
            await complete_upload(there.flow, upload_id)
        assert await resume_upload(there.flow, upload_id) == [1, 2, 3]
        await there.send(upload_id, LARGE)
        assert (await complete_upload(there.flow, upload_id)).job_id is not None
    finally:
        await storage.close()
        await server.stop()
        folder.close()


async def test_aborting_removes_the_bytes_and_hides_the_dataset(sender: Sender, owner: Any) -> None:
    for content in (CONTENT, LARGE):
        upload_id = await sender.begin(content)
        parts = await sender.parts(upload_id)
        await sender.send(upload_id, content)
        await abort_upload(sender.flow, upload_id)
        await abort_upload(sender.flow, upload_id)
        upload = await sender.upload(upload_id)
        assert upload.status == "aborted"
        assert await sender.parts(upload_id) == []
        assert await sender.storage.head(upload.s3_key) is None
        assert await sender.storage.list_multiparts(upload.s3_key) == []
        dataset = await owner.fetchrow("select * from datasets where id = $1", upload.dataset_id)
        assert dataset.deleted_at is not None
        for change in (resume_upload, complete_upload):
            with pytest.raises(Conflict, match="aborted"):
                await change(sender.flow, upload_id)
        if content is LARGE:
            async with httpx.AsyncClient() as client:
                late = await client.put(parts[2].request.url, content=LARGE[10 * MiB :])
            assert late.status_code == 404


async def test_a_complete_upload_is_not_aborted(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    await complete_upload(sender.flow, upload_id)
    async with nothing_changes(owner):
        with pytest.raises(Conflict, match="uploaded"):
            await abort_upload(sender.flow, upload_id)
    assert await sender.storage.head(f"incoming/{upload_id}") == len(CONTENT)


async def test_an_expired_upload_takes_nothing_more(sender: Sender, owner: Any) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    await owner.execute(
        "update uploads set expires_at = now() - interval '1 s' where id = $1", upload_id
    )
    assert await sender.parts(upload_id) == []
    async with nothing_changes(owner):
        for change in (resume_upload, complete_upload):
            with pytest.raises(Conflict, match="expired"):
                await change(sender.flow, upload_id)


@pytest.mark.parametrize("change", [resume_upload, complete_upload, abort_upload])
async def test_an_upload_is_its_owners(
    sender: Sender, owner: Any, rows: Rows, department: UUID, change: Any
) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    colleague = as_another(sender, await rows.person(department, roles=("editor",)))
    viewer = as_another(sender, await rows.person(department, roles=("viewer",)))
    stranger = as_another(sender, await rows.person(await rows.department(), roles=("admin",)))
    async with nothing_changes(owner):
        for other, refusal in (
            (colleague, Forbidden),
            (viewer, Forbidden),
            (stranger, NotFound),
        ):
            with pytest.raises(refusal):
                await change(other.flow, upload_id)
        with pytest.raises(NotFound):
            await change(sender.flow, uuid4())
    assert await sender.storage.head(f"incoming/{upload_id}") == len(CONTENT)


async def test_those_who_delete_datasets_abort_anybodys_upload(
    sender: Sender, rows: Rows, department: UUID
) -> None:
    upload_id = await sender.begin(CONTENT)
    manager = await rows.person(department, roles=("manager",))
    await abort_upload(as_another(sender, manager).flow, upload_id)
    assert (await sender.upload(upload_id)).status == "aborted"


async def test_a_permission_that_was_taken_ends_the_upload(
    sender: Sender, owner: Any, editor: Person
) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    await owner.execute("delete from user_roles where user_id = $1", editor.id)
    async with nothing_changes(owner):
        with pytest.raises(NotFound):
            await complete_upload(sender.flow, upload_id)
