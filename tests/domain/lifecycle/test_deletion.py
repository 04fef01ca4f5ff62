from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from domain.errors import Conflict, Forbidden, NotFound
from domain.lifecycle.completion import complete_upload
from domain.lifecycle.deletion import delete_dataset, delete_workspace
from tests.domain.lifecycle.conftest import Sender, as_another
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories.rows import Person, Rows

CONTENT = b"a,b\n1,2\n"


async def test_hides_all_that_hangs_on_a_dataset_and_ends_its_jobs(
    sender: Sender, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    dataset = await rows.dataset(department, editor.id)
    other = await rows.dataset(department, editor.id)
    upload = await rows.upload(dataset)
    running = await rows.job(department, editor.id, dataset, status="processing")
    queued = await rows.job(department, editor.id, dataset, job_type="eda")
    ended = await rows.job(department, editor.id, dataset, status="succeeded")
    result = await rows.result(ended)
    kept = await rows.job(department, editor.id, other)
    await delete_dataset(sender.flow, dataset.id)
    for table, key in (
        ("datasets", dataset.id),
        ("uploads", upload.id),
        ("jobs", running.id),
        ("jobs", queued.id),
        ("jobs", ended.id),
        ("results", result.id),
    ):
        row = await owner.fetchrow(f"select * from {table} where id = $1", key)  # noqa: S608
        assert row.deleted_at is not None, table
    running, queued, ended, kept = [
        await owner.fetchrow("select * from jobs where id = $1", job.id)
        for job in (running, queued, ended, kept)
    ]
    assert (queued.status, ended.status) == ("cancelled", "succeeded")
    assert (running.status, running.cancel_requested_at is not None) == ("processing", True)
    assert (kept.status, kept.deleted_at) == ("queued", None)
    with pytest.raises(NotFound):
        await delete_dataset(sender.flow, dataset.id)


async def test_removes_the_bytes_of_an_upload_that_was_on_its_way(
    sender: Sender, owner: Any
) -> None:
    upload_id = await sender.begin(CONTENT)
    await sender.send(upload_id, CONTENT)
    upload = await sender.upload(upload_id)
    await delete_dataset(sender.flow, upload.dataset_id)
    row = await owner.fetchrow("select * from uploads where id = $1", upload_id)
    assert (row.status, row.deleted_at is not None) == ("aborted", True)
    assert await sender.storage.head(upload.s3_key) is None
    with pytest.raises(NotFound):
        await complete_upload(sender.flow, upload_id)


async def test_its_uploader_and_those_who_delete_may(
    sender: Sender, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    manager = as_another(sender, await rows.person(department, roles=("manager",)))
    for who in (sender, manager):
        dataset = await rows.dataset(department, editor.id)
        await delete_dataset(who.flow, dataset.id)
        gone = await owner.fetchval("select deleted_at from datasets where id = $1", dataset.id)
        assert gone is not None


async def test_others_delete_nothing(
    sender: Sender, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    dataset = await rows.dataset(department, editor.id)
    await rows.job(department, editor.id, dataset)
    colleague = as_another(sender, await rows.person(department, roles=("editor",)))
    viewer = await rows.person(department, roles=("viewer",))
    theirs = await rows.dataset(department, viewer.id)
    stranger = as_another(sender, await rows.person(await rows.department(), roles=("admin",)))
    async with nothing_changes(owner):
        with pytest.raises(Forbidden):
            await delete_dataset(colleague.flow, dataset.id)
        with pytest.raises(Forbidden):
            await delete_dataset(as_another(sender, viewer).flow, theirs.id)
        with pytest.raises(NotFound):
            await delete_dataset(stranger.flow, dataset.id)
        with pytest.raises(NotFound):
            await delete_dataset(sender.flow, uuid4())


async def test_a_workspace_goes_with_its_datasets(
    sender: Sender, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    workspace = await rows.workspace(department, editor.id)
    inside = [
        await rows.dataset(department, editor.id, workspace_id=workspace.id) for _ in range(2)
    ]
    jobs = [await rows.job(department, editor.id, dataset) for dataset in inside]
    outside = await rows.dataset(
        department, editor.id, workspace_id=(await rows.workspace(department, editor.id)).id
    )
    await delete_workspace(sender.flow, workspace.id)
    assert await owner.fetchval("select deleted_at from workspaces where id = $1", workspace.id)
    hidden = await owner.fetch(
        "select id from datasets where department_id = $1 and deleted_at is not null", department
    )
    assert {row.id for row in hidden} == {dataset.id for dataset in inside}
    ended = await owner.fetch("select status from jobs where id = any ($1)", [j.id for j in jobs])
    assert [row.status for row in ended] == ["cancelled", "cancelled"]
    assert outside.deleted_at is None
    with pytest.raises(NotFound):
        await delete_workspace(sender.flow, workspace.id)


async def test_a_default_workspace_stays(
    sender: Sender, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    workspace = await rows.workspace(department, editor.id, is_default=True)
    async with nothing_changes(owner):
        with pytest.raises(Conflict):
            await delete_workspace(sender.flow, workspace.id)


async def test_a_workspace_with_datasets_of_others_needs_the_right_to_delete_them(
    sender: Sender, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    colleague = await rows.person(department, roles=("editor",))
    stranger = await rows.person(await rows.department(), roles=("admin",))
    manager = await rows.person(department, roles=("manager",))
    workspace = await rows.workspace(department, editor.id)
    await rows.dataset(department, colleague.id, workspace_id=workspace.id)
    async with nothing_changes(owner):
        with pytest.raises(Forbidden):
            await delete_workspace(sender.flow, workspace.id)
        with pytest.raises(Forbidden):
            await delete_workspace(as_another(sender, colleague).flow, workspace.id)
        with pytest.raises(NotFound):
            await delete_workspace(as_another(sender, stranger).flow, workspace.id)
    await delete_workspace(as_another(sender, manager).flow, workspace.id)


async def test_deleting_and_starting_never_wait_for_each_other_in_a_ring(
    sender: Sender, owner: Any
) -> None:
    for _ in range(10):
        upload_id = await sender.begin(CONTENT)
        await sender.send(upload_id, CONTENT)
        upload = await sender.upload(upload_id)
        ends = await asyncio.gather(
            complete_upload(sender.flow, upload_id),
            delete_dataset(sender.flow, upload.dataset_id),
            return_exceptions=True,
        )
        assert ends[1] is None
        assert not isinstance(ends[0], Exception) or isinstance(ends[0], (NotFound, Conflict))
        left = await owner.fetchval(
            "select count(*) from jobs where dataset_id = $1 and status = 'queued'",
            upload.dataset_id,
        )
        assert left == 0
