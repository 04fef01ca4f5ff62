from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import pytest

from domain.errors import Conflict, DomainError, Duplicate, Forbidden, InvalidInput, NotFound
from domain.identity.actions.departments import (
    NewDepartment,
    create_department,
    move_department,
    update_department,
)

if TYPE_CHECKING:
    from domain.identity.actions.departments import DepartmentChanges
    from tests.domain.identity.conftest import Office
    from tests.factories.rows import Person


def planned(parent: UUID | str, **values: Any) -> NewDepartment:
    given = {"code": "c" + uuid4().hex, "name": "A Department"} | values
    return NewDepartment(parent=parent, **given)


async def created(
    office: Office, new: NewDepartment, person: Person | None = None, key: str | None = None
) -> UUID:
    async with office.works(person)() as work:
        return await create_department(work, new, idempotency_key=key)


async def updated(
    office: Office, reference: UUID | str, person: Person | None = None, **changes: Any
) -> None:
    async with office.works(person)() as work:
        await update_department(work, reference, cast("DepartmentChanges", changes))


async def moved(
    office: Office,
    reference: UUID | str,
    parent: UUID | str,
    person: Person | None = None,
    narrow: str | None = None,
) -> None:
    async with office.works(person, narrow)() as work:
        await move_department(work, reference, parent)


async def refused(office: Office, kind: type[DomainError], attempt: Any) -> DomainError:
    async with office.unchanged():
        with pytest.raises(kind) as refusal:
            await attempt
    return refusal.value


async def test_makes_a_department_with_its_default_workspace_that_its_maker_sees_at_once(
    office: Office,
) -> None:
    new = planned(
        await office.code(office.below),
        name=" North ",
        description="What lies north.",
        manager_id=office.manager.id,
        max_running_jobs=2,
    )
    department_id = await created(office, new)
    row = await office.row("departments", department_id)
    assert (row.code, row.name, row.description) == (new.code, "North", "What lies north.")
    assert (row.parent_id, row.manager_id, row.max_running_jobs) == (
        office.below,
        office.manager.id,
        2,
    )
    workspaces = await office.rows.connection.fetch(
        "select * from workspaces where department_id = $1", department_id
    )
    assert [(w.name, w.owner_id, w.is_default) for w in workspaces] == [
        ("North", office.manager.id, True)
    ]
    async with office.reads() as reads:
        assert department_id in (await reads.scope()).departments


async def test_leaves_out_what_was_not_said(office: Office) -> None:
    row = await office.row("departments", await created(office, planned(office.place)))
    assert (row.description, row.manager_id, row.max_running_jobs) == (None, None, 4)


async def test_a_repeated_key_makes_nothing_twice(office: Office) -> None:
    new = planned(office.place)
    department_id = await created(office, new, key="again")
    async with office.unchanged():
        assert await created(office, new, key="again") == department_id
    await refused(office, Conflict, created(office, replace(new, name="Other"), key="again"))


async def test_rejects_a_code_that_is_taken_wherever_it_is(office: Office) -> None:
    messages = set()
    for department_id in (office.below, office.elsewhere):
        code = await office.code(department_id)
        error = await refused(office, Duplicate, created(office, planned(office.place, code=code)))
        messages.add(error.message.replace(code, "…"))
    assert len(messages) == 1
    await refused(office, Duplicate, created(office, planned(office.place, code="company")))


async def test_of_two_departments_with_one_code_made_at_once_one_is_refused(
    office: Office,
) -> None:
    new = planned(office.place)
    ends = await asyncio.gather(created(office, new), created(office, new), return_exceptions=True)
    assert [type(end) for end in ends if isinstance(end, BaseException)] == [Duplicate]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"code": "North"}, "code"),
        ({"code": ""}, "code"),
        ({"code": "1st"}, "code"),
        ({"code": "x" * 51}, "code"),
        ({"code": "a b"}, "code"),
        ({"name": " "}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"description": "x" * 10_001}, "description"),
        ({"description": "a\0b"}, "description"),
        ({"max_running_jobs": 0}, "maxRunningJobs"),
        ({"max_running_jobs": 2**31 - 1}, "maxRunningJobs"),
    ],
)
async def test_rejects_what_breaks_a_rule_and_names_the_field(
    office: Office, change: dict[str, Any], path: str
) -> None:
    error = await refused(
        office, InvalidInput, created(office, replace(planned(office.place), **change))
    )
    assert [fault.path for fault in error.fields] == [(path,)]


async def test_finds_no_parent_and_no_manager_outside_the_scope(office: Office) -> None:
    root = await office.rows.department_id("company")
    for parent in (office.elsewhere, await office.code(office.elsewhere), root, uuid4()):
        await refused(office, NotFound, created(office, planned(parent)))
    stranger = await office.rows.person(office.elsewhere)
    for manager_id in (stranger.id, uuid4()):
        new = planned(office.place, manager_id=manager_id)
        await refused(office, NotFound, created(office, new))
        await refused(office, NotFound, updated(office, office.below, manager_id=manager_id))


async def test_forbids_changing_departments_to_those_without_the_permission(
    office: Office,
) -> None:
    editor = await office.rows.person(office.place, roles=("editor",))
    await refused(office, Forbidden, created(office, planned(office.place), editor))
    await refused(office, Forbidden, updated(office, office.below, editor, name="Mine"))
    await refused(office, Forbidden, moved(office, office.below, office.place, editor))


async def test_changes_what_was_said_and_leaves_the_rest(office: Office) -> None:
    await updated(
        office,
        office.below,
        name="Renamed",
        description="Described.",
        manager_id=office.manager.id,
        max_running_jobs=9,
    )
    await updated(office, await office.code(office.below), max_running_jobs=3)
    row = await office.row("departments", office.below)
    assert (row.name, row.description, row.manager_id, row.max_running_jobs) == (
        "Renamed",
        "Described.",
        office.manager.id,
        3,
    )
    await updated(office, office.below, description=None, manager_id=None)
    row = await office.row("departments", office.below)
    assert (row.name, row.description, row.manager_id) == ("Renamed", None, None)
    async with office.unchanged():
        await updated(office, office.below)


async def test_finds_no_department_outside_the_scope_to_change(office: Office) -> None:
    root = await office.rows.department_id("company")
    for reference in (office.elsewhere, root, "company", uuid4()):
        await refused(office, NotFound, updated(office, reference, name="Mine"))


async def test_a_move_takes_along_what_lies_below_and_changes_who_sees_it(office: Office) -> None:
    root = await office.rows.department_id("company")
    admin = await office.rows.person(root, roles=("admin",))
    lowest = await office.rows.department(office.below)
    there = await office.rows.person(office.elsewhere)
    await moved(office, office.below, office.elsewhere, admin)
    async with office.reads() as reads:
        assert (await reads.scope()).departments == {office.place}
    async with office.reads(there) as reads:
        assert (await reads.scope()).departments == {office.elsewhere, office.below, lowest}


async def test_moves_inside_ones_own_departments(office: Office) -> None:
    other = await office.rows.department(office.place)
    await moved(office, await office.code(office.below), await office.code(other))
    assert (await office.row("departments", office.below)).parent_id == other


async def test_moves_nothing_into_or_out_of_the_scope(office: Office) -> None:
    root = await office.rows.department_id("company")
    foreign = await office.rows.department(office.elsewhere)
    for reference, parent in (
        (office.below, office.elsewhere),
        (office.below, root),
        (foreign, office.place),
        (office.elsewhere, office.place),
        (office.below, uuid4()),
    ):
        await refused(office, NotFound, moved(office, reference, parent))
    # Its own department it sees, but not the one that would lose it.
    sibling = await office.rows.department(root)
    both = await office.rows.person(office.place, sibling)
    await refused(office, Forbidden, moved(office, office.place, sibling, both))
    narrow = await office.code(office.below)
    lowest = await office.rows.department(office.below)
    await refused(office, Forbidden, moved(office, office.below, lowest, narrow=narrow))


async def test_a_department_is_never_moved_below_itself(office: Office) -> None:
    root = await office.rows.department_id("company")
    admin = await office.rows.person(root, roles=("admin",))
    lowest = await office.rows.department(office.below)
    for parent in (office.place, office.below, lowest):
        await refused(office, Conflict, moved(office, office.place, parent, admin))


async def test_the_root_is_never_moved(office: Office) -> None:
    root = await office.rows.department_id("company")
    admin = await office.rows.person(root, roles=("admin",))
    await refused(office, Conflict, moved(office, "company", office.place, admin))


async def test_two_moves_that_cross_close_no_ring(office: Office) -> None:
    one, other = [await office.rows.department(office.place) for _ in range(2)]
    ends = await asyncio.gather(
        moved(office, one, other), moved(office, other, one), return_exceptions=True
    )
    assert [type(end) for end in ends if end] == [Conflict]
