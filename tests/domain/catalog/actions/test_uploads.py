from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from domain.bell import Silence
from domain.catalog.actions.uploads import NewUpload, create_upload, part_size, plan_for
from domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from domain.work import working
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Database, Row
    from domain.settings import Settings
    from tests.factories.rows import Person, Rows

MiB = 1024 * 1024
SALES = NewUpload("sales.csv", 1000)


async def created(
    database: Database,
    settings: Settings,
    person: Person,
    new: NewUpload,
    *,
    narrow: str | None = None,
    key: str | None = None,
) -> Row:
    async with working(database, person.identity(narrow), Silence()) as work:
        return await create_upload(
            work, new, settings=settings, bucket="bucket", idempotency_key=key
        )


@pytest.fixture
async def department(rows: Rows) -> UUID:
    return await rows.department()


@pytest.fixture
async def editor(rows: Rows, department: UUID) -> Person:
    return await rows.person(department, roles=("editor",))


async def test_makes_a_dataset_that_waits_for_its_bytes(
    database: Database, settings: Settings, owner: Any, department: UUID, editor: Person
) -> None:
    new = NewUpload(
        "C:\\Sales March.CSV", 1000, name=" March ", description="All of it.", sha256="AB" * 32
    )
    upload = await created(database, settings, editor, new)
    kept = await owner.fetchrow("select * from uploads where id = $1", upload.id)
    dataset = await owner.fetchrow("select * from datasets where id = $1", upload.dataset_id)
    assert dict(kept) == dict(upload)
    assert (kept.status, kept.file_name, kept.content_type) == (
        "uploading",
        "Sales March.CSV",
        "text/csv",
    )
    assert (kept.file_type, kept.file_size_bytes, kept.file_hash_sha256) == ("csv", 1000, "ab" * 32)
    assert (kept.total_chunks, kept.part_size_bytes, kept.s3_key) == (
        1,
        1000,
        f"incoming/{kept.id}",
    )
    assert (kept.expires_at - kept.created_at).total_seconds() == 24 * 3600
    assert (dataset.status, dataset.name, dataset.description) == (
        "uploading",
        "March",
        "All of it.",
    )
    assert (dataset.department_id, dataset.uploader_id, dataset.s3_bucket) == (
        department,
        editor.id,
        "bucket",
    )
    # What a client claims is not what was found, so it stands on the upload alone.
    assert dataset.file_hash_sha256 is None


async def test_makes_the_default_workspace_once(
    database: Database, settings: Settings, owner: Any, department: UUID, editor: Person
) -> None:
    await asyncio.gather(*(created(database, settings, editor, SALES) for _ in range(4)))
    workspaces = await owner.fetch("select * from workspaces where department_id = $1", department)
    assert [(each.is_default, each.owner_id) for each in workspaces] == [(True, editor.id)]
    assert workspaces[0].name == await owner.fetchval(
        "select name from departments where id = $1", department
    )
    count = await owner.fetchval(
        "select count(*) from datasets where workspace_id = $1", workspaces[0].id
    )
    assert count == 4


async def test_puts_a_dataset_into_the_workspace_that_is_named(
    database: Database, settings: Settings, owner: Any, rows: Rows, editor: Person, department: UUID
) -> None:
    workspace = await rows.workspace(department, editor.id)
    upload = await created(database, settings, editor, replace(SALES, workspace_id=workspace.id))
    found = await owner.fetchval(
        "select workspace_id from datasets where id = $1", upload.dataset_id
    )
    assert found == workspace.id


async def test_finds_the_department_that_is_meant(
    database: Database, settings: Settings, owner: Any, rows: Rows
) -> None:
    above = await rows.department()
    below = await rows.department(above)
    code = await owner.fetchval("select code from departments where id = $1", below)
    person = await rows.person(above, roles=("editor",))
    workspace = await rows.workspace(below, person.id)
    for new, narrow, expected in (
        (replace(SALES, department=code), None, below),
        (replace(SALES, department=str(above)), None, above),
        (SALES, code, below),
        (SALES, str(above), None),
        (replace(SALES, workspace_id=workspace.id), None, below),
        (SALES, None, None),
    ):
        if expected is None and narrow is None:
            async with nothing_changes(owner):
                with pytest.raises(InvalidInput, match=code) as refused:
                    await created(database, settings, person, new)
            assert refused.value.fields[0].path == ("department",)
            continue
        upload = await created(database, settings, person, new, narrow=narrow)
        assert upload.department_id == (expected or above)


async def test_finds_no_department_or_workspace_of_others(
    database: Database, settings: Settings, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    other = await rows.department()
    stranger = await rows.person(other)
    workspace = await rows.workspace(other, stranger.id)
    code = await owner.fetchval("select code from departments where id = $1", other)
    now = await owner.fetchval("select now()")
    gone = await rows.workspace(department, editor.id, deleted_at=now)
    async with nothing_changes(owner):
        for new in (
            replace(SALES, department=code),
            replace(SALES, department=str(other)),
            replace(SALES, department=str(uuid4())),
            replace(SALES, workspace_id=workspace.id),
            replace(SALES, workspace_id=uuid4()),
            replace(SALES, workspace_id=gone.id),
        ):
            with pytest.raises(NotFound):
                await created(database, settings, editor, new)


async def test_refuses_a_workspace_of_another_department_than_the_named_one(
    database: Database, settings: Settings, owner: Any, rows: Rows
) -> None:
    above = await rows.department()
    below = await rows.department(above)
    person = await rows.person(above, roles=("editor",))
    workspace = await rows.workspace(below, person.id)
    new = replace(SALES, workspace_id=workspace.id, department=str(above))
    async with nothing_changes(owner):
        with pytest.raises(InvalidInput) as refused:
            await created(database, settings, person, new)
    assert refused.value.fields[0].path == ("workspaceId",)


@pytest.mark.parametrize("role", ["viewer", "technician"])
async def test_denies_those_who_only_read(
    database: Database,
    settings: Settings,
    owner: Any,
    rows: Rows,
    department: UUID,
    role: str,
) -> None:
    reader = await rows.person(department, roles=(role,))
    async with nothing_changes(owner):
        with pytest.raises(Forbidden):
            await created(database, settings, reader, SALES)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"size_bytes": 0}, "sizeBytes"),
        ({"size_bytes": -1}, "sizeBytes"),
        ({"size_bytes": 50 * 1024 * MiB + 1}, "sizeBytes"),
        ({"size_bytes": 2**53}, "sizeBytes"),
        ({"file_name": "sales.exe"}, "fileName"),
        ({"file_name": "sales\0.csv"}, "fileName"),
        ({"file_name": " "}, "fileName"),
        ({"content_type": "no type"}, "contentType"),
        ({"name": ""}, "name"),
        ({"name": "a" * 256}, "name"),
        ({"description": "\0"}, "description"),
        ({"sha256": "123"}, "sha256"),
        ({"department": "no\0department"}, "department"),
        ({"department": "'; drop table"}, "department"),
    ],
)
async def test_names_the_field_that_is_at_fault(
    database: Database,
    settings: Settings,
    owner: Any,
    editor: Person,
    changes: dict[str, Any],
    path: str,
) -> None:
    async with nothing_changes(owner):
        with pytest.raises(InvalidInput) as refused:
            await created(database, settings, editor, replace(SALES, **changes), key="k")
    assert [field.path for field in refused.value.fields] == [(path,)]


async def test_a_key_makes_one_upload_however_often_it_comes(
    database: Database, settings: Settings, owner: Any, department: UUID, editor: Person
) -> None:
    twins = await asyncio.gather(
        *(created(database, settings, editor, SALES, key="k") for _ in range(8))
    )
    replay = await created(database, settings, editor, SALES, key="k")
    assert {upload.id for upload in twins} == {replay.id}
    counts = await owner.fetchrow(
        "select (select count(*) from datasets where department_id = $1) as datasets, "
        "(select count(*) from uploads where department_id = $1) as uploads",
        department,
    )
    assert (counts.datasets, counts.uploads) == (1, 1)


async def test_a_key_is_not_for_another_input(
    database: Database, settings: Settings, owner: Any, editor: Person
) -> None:
    await created(database, settings, editor, SALES, key="k")
    async with nothing_changes(owner):
        with pytest.raises(Conflict):
            await created(database, settings, editor, replace(SALES, size_bytes=1001), key="k")


async def test_a_replay_sees_no_more_than_today(
    database: Database, settings: Settings, owner: Any, department: UUID, editor: Person, rows: Rows
) -> None:
    upload = await created(database, settings, editor, SALES, key="k")
    await owner.execute("delete from user_departments where user_id = $1", editor.id)
    other = await rows.department()
    await rows.insert("user_departments", user_id=editor.id, department_id=other)
    async with nothing_changes(owner):
        with pytest.raises(NotFound):
            await created(database, settings, editor, SALES, key="k")
    assert upload.department_id == department


async def test_plans_parts_within_the_limits(settings: Settings) -> None:
    large = settings.upload_single_bytes
    assert plan_for(1, settings).count == 1
    assert plan_for(large, settings).count == 1
    assert plan_for(large, settings).part_bytes == large
    plan = plan_for(large + 1, settings)
    assert (plan.count, plan.part_bytes) == (2, 64 * MiB)
    huge = plan_for(5 * 1024**4, settings)
    assert huge.count <= 10_000
    assert huge.part_bytes % MiB == 0
    assert huge.part_bytes * huge.count >= 5 * 1024**4


async def test_the_last_part_takes_what_is_left(
    database: Database, settings: Settings, editor: Person
) -> None:
    upload = await created(database, settings, editor, replace(SALES, size_bytes=150 * MiB + 3))
    sizes = [part_size(upload, number) for number in range(1, upload.total_chunks + 1)]
    assert sizes == [64 * MiB, 64 * MiB, 22 * MiB + 3]
