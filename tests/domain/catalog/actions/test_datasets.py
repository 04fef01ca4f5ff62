from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from domain.bell import Silence
from domain.catalog.actions.datasets import update_dataset
from domain.errors import Forbidden, InvalidInput, NotFound
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


async def changed(database: Database, person: Person, key: UUID, **changes: Any) -> None:
    async with working(database, person.identity(), Silence()) as work:
        await update_dataset(work, key, changes)


async def test_changes_what_is_given_and_nothing_else(
    database: Database, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    other = await rows.person(department)
    dataset = await rows.dataset(department, other.id)
    workspace = await rows.workspace(department, other.id)
    await changed(database, editor, dataset.id, name=" New ")
    await changed(database, editor, dataset.id, workspace_id=workspace.id, description="")
    await changed(database, editor, dataset.id)
    row = await owner.fetchrow("select * from datasets where id = $1", dataset.id)
    expected = dict(dataset) | {
        "name": "New",
        "description": None,
        "workspace_id": workspace.id,
        "updated_at": row.updated_at,
    }
    assert dict(row) == expected


async def test_stays_in_its_department(
    database: Database, owner: Any, rows: Rows, department: UUID
) -> None:
    below = await rows.department(department)
    person = await rows.person(department)
    dataset = await rows.dataset(department, person.id)
    workspace = await rows.workspace(below, person.id)
    async with nothing_changes(owner):
        with pytest.raises(InvalidInput, match="stays in its department"):
            await changed(database, person, dataset.id, workspace_id=workspace.id)


async def test_others_change_nothing(
    database: Database, owner: Any, rows: Rows, department: UUID, editor: Person
) -> None:
    viewer = await rows.person(department, roles=("viewer",))
    there = await rows.department()
    stranger = await rows.person(there)
    dataset = await rows.dataset(department, editor.id)
    foreign = await rows.workspace(there, stranger.id)
    gone = await rows.dataset(
        department, editor.id, deleted_at=await owner.fetchval("select now()")
    )
    async with nothing_changes(owner):
        with pytest.raises(Forbidden):
            await changed(database, viewer, dataset.id, name="Mine")
        for person, key, changes in (
            (stranger, dataset.id, {"name": "Mine"}),
            (editor, uuid4(), {"name": "Mine"}),
            (editor, gone.id, {"name": "Mine"}),
            (editor, dataset.id, {"workspace_id": foreign.id}),
            (editor, dataset.id, {"workspace_id": uuid4()}),
        ):
            with pytest.raises(NotFound):
                await changed(database, person, key, **changes)
        for changes in ({"name": " "}, {"name": None}, {"workspace_id": None}):
            with pytest.raises(InvalidInput):
                await changed(database, editor, dataset.id, **changes)
