from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from domain.bell import Silence
from domain.catalog.actions.workspaces import create_workspace, update_workspace
from domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from domain.work import working
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Database
    from tests.factories.rows import Person, Rows


@pytest.fixture
async def department(rows: Rows) -> UUID:
    return await rows.department()


@pytest.fixture
async def editor(rows: Rows, department: UUID) -> Person:
    return await rows.person(department, roles=("editor",))


async def made(database: Database, person: Person, name: str, **options: Any) -> UUID:
    async with working(database, person.identity(), Silence()) as work:
        return await create_workspace(work, name, **options)


async def changed(database: Database, person: Person, key: UUID, **changes: Any) -> None:
    async with working(database, person.identity(), Silence()) as work:
        await update_workspace(work, key, changes)


async def test_makes_a_workspace_of_ones_own(
    database: Database, owner: Any, department: UUID, editor: Person
) -> None:
    key = await made(database, editor, " Spring ", description=" Of this year. ")
    row = await owner.fetchrow("select * from workspaces where id = $1", key)
    assert (row.name, row.description, row.department_id, row.owner_id, row.is_default) == (
        "Spring",
        "Of this year.",
        department,
        editor.id,
        False,
    )


async def test_a_key_makes_one_workspace(
    database: Database, owner: Any, department: UUID, editor: Person
) -> None:
    first = await made(database, editor, "Spring", idempotency_key="k")
    assert await made(database, editor, "Spring", idempotency_key="k") == first
    async with nothing_changes(owner):
        with pytest.raises(Conflict):
            await made(database, editor, "Summer", idempotency_key="k")
    count = await owner.fetchval(
        "select count(*) from workspaces where department_id = $1", department
    )
    assert count == 1


async def test_makes_none_without_permission_or_name(
    database: Database, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    viewer = await rows.person(department, roles=("viewer",))
    async with nothing_changes(owner):
        with pytest.raises(Forbidden):
            await made(database, viewer, "Spring")
        with pytest.raises(InvalidInput):
            await made(database, editor, " ")
        with pytest.raises(NotFound):
            await made(database, editor, "Spring", department="finance")


async def test_its_owner_and_those_who_manage_change_it(
    database: Database, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    manager = await rows.person(department, roles=("manager",))
    workspace = await rows.workspace(department, editor.id, description="Old.")
    await changed(database, editor, workspace.id, name="By its owner")
    await changed(database, manager, workspace.id, description=None)
    row = await owner.fetchrow("select * from workspaces where id = $1", workspace.id)
    assert (row.name, row.description) == ("By its owner", None)
    assert row.updated_at > workspace.updated_at


async def test_others_change_nothing(
    database: Database, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    colleague = await rows.person(department, roles=("editor",))
    stranger = await rows.person(await rows.department(), roles=("manager",))
    workspace = await rows.workspace(department, editor.id)
    demoted = await rows.person(department, roles=("viewer",))
    once_theirs = await rows.workspace(department, demoted.id)
    async with nothing_changes(owner):
        with pytest.raises(Forbidden):
            await changed(database, colleague, workspace.id, name="Mine")
        with pytest.raises(Forbidden):
            await changed(database, demoted, once_theirs.id, name="Mine")
        with pytest.raises(NotFound):
            await changed(database, stranger, workspace.id, name="Mine")
        with pytest.raises(NotFound):
            await changed(database, editor, uuid4(), name="Mine")
        with pytest.raises(InvalidInput):
            await changed(database, editor, workspace.id, name=None)
