from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from domain.errors import Conflict, DomainError, Forbidden, NotFound
from domain.identity.actions.memberships import (
    assign_department,
    assign_role,
    remove_department,
    revoke_role,
)
from tests.domain.identity.actions.test_users import lesser_role, only_administrators

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from domain.work import Work
    from tests.domain.identity.conftest import Office
    from tests.factories.rows import Person

    Act = Callable[[Work, UUID, Any], Awaitable[None]]


async def done(
    office: Office,
    act: Act,
    user_id: UUID,
    what: Any,
    person: Person | None = None,
    narrow: str | None = None,
) -> None:
    async with office.works(person, narrow)() as work:
        await act(work, user_id, what)


async def refused(office: Office, kind: type[DomainError], *given: Any, **others: Any) -> str:
    async with office.unchanged():
        with pytest.raises(kind) as refusal:
            await done(office, *given, **others)
    return refusal.value.message


async def test_gives_and_takes_a_role_and_repeating_changes_nothing(office: Office) -> None:
    user = await office.rows.person(office.place, roles=("viewer",))
    await done(office, assign_role, user.id, "editor")
    assert await office.roles_of(user.id) == {"viewer", "editor"}
    async with office.unchanged():
        await done(office, assign_role, user.id, "editor")
    await done(office, revoke_role, user.id, "viewer")
    assert await office.roles_of(user.id) == {"editor"}
    async with office.unchanged():
        await done(office, revoke_role, user.id, "viewer")


async def test_a_new_role_holds_from_the_next_request_on(office: Office) -> None:
    user = await office.rows.person(office.place, roles=("viewer",))
    async with office.reads(user) as reads:
        assert "dataset:write" not in (await reads.scope()).permissions
    await done(office, assign_role, user.id, "editor")
    async with office.reads(user) as reads:
        assert "dataset:write" in (await reads.scope()).permissions


@pytest.mark.parametrize("act", [assign_role, revoke_role])
async def test_finds_no_role_that_there_is_not(office: Office, act: Act) -> None:
    user = await office.rows.person(office.place)
    await refused(office, NotFound, act, user.id, "emperor")


@pytest.mark.parametrize("act", [assign_role, revoke_role])
async def test_finds_no_user_outside_the_scope_to_change_roles_of(office: Office, act: Act) -> None:
    stranger = await office.rows.person(office.elsewhere)
    messages = {
        await refused(office, NotFound, act, key, "viewer") for key in (stranger.id, uuid4())
    }
    assert len(messages) == 1


@pytest.mark.parametrize("act", [assign_role, revoke_role])
async def test_forbids_roles_to_those_who_may_not_assign_them(office: Office, act: Act) -> None:
    user = await office.rows.person(office.place, roles=("viewer",))
    editor = await office.rows.person(office.place, roles=("editor",))
    await refused(office, Forbidden, act, user.id, "viewer", editor)


@pytest.mark.parametrize("act", [assign_role, revoke_role])
async def test_forbids_roles_of_a_user_who_also_belongs_elsewhere(office: Office, act: Act) -> None:
    both = await office.rows.person(office.place, office.elsewhere, roles=("viewer",))
    await refused(office, Forbidden, act, both.id, "viewer")
    mine = await office.rows.person(office.place, office.below, roles=("viewer",))
    narrow = await office.code(office.below)
    await refused(office, Forbidden, act, mine.id, "viewer", narrow=narrow)


async def test_nobody_gives_or_takes_what_it_does_not_hold(office: Office) -> None:
    await lesser_role(office)
    registrar = await office.rows.person(office.place, roles=("registrar",))
    user = await office.rows.person(office.place, roles=("editor",))
    for role in ("admin", "manager", "editor", "technician", "viewer"):
        await refused(office, Forbidden, assign_role, user.id, role, registrar)
        await refused(office, Forbidden, assign_role, registrar.id, role, registrar)
    await refused(office, Forbidden, revoke_role, user.id, "editor", registrar)
    await done(office, assign_role, user.id, "registrar", registrar)


async def test_a_manager_who_makes_somebody_admin_gives_no_more_departments(
    office: Office,
) -> None:
    user = await office.rows.person(office.place, roles=("viewer",))
    await done(office, assign_role, user.id, "admin")
    async with office.reads(user) as reads:
        assert (await reads.scope()).departments == {office.place, office.below}


async def test_a_membership_opens_a_department_and_its_end_closes_it(office: Office) -> None:
    user = await office.rows.person(office.below, roles=("viewer",))
    await done(office, assign_department, user.id, office.place)
    async with office.unchanged():
        await done(office, assign_department, user.id, await office.code(office.place))
    async with office.reads(user) as reads:
        assert (await reads.scope()).departments == {office.place, office.below}
    await done(office, remove_department, user.id, await office.code(office.place))
    async with office.unchanged():
        await done(office, remove_department, user.id, office.place)
    async with office.reads(user) as reads:
        assert (await reads.scope()).departments == {office.below}


@pytest.mark.parametrize("act", [assign_department, remove_department])
async def test_finds_no_department_outside_the_scope(office: Office, act: Act) -> None:
    both = await office.rows.person(office.place, office.elsewhere)
    root = await office.rows.department_id("company")
    messages = {
        await refused(office, NotFound, act, both.id, reference)
        for reference in (office.elsewhere, await office.code(office.elsewhere), root, uuid4())
    }
    assert len(messages) == 1


@pytest.mark.parametrize("act", [assign_department, remove_department])
async def test_finds_no_user_outside_the_scope(office: Office, act: Act) -> None:
    stranger = await office.rows.person(office.elsewhere)
    messages = {
        await refused(office, NotFound, act, key, office.place) for key in (stranger.id, uuid4())
    }
    assert len(messages) == 1


@pytest.mark.parametrize("act", [assign_department, remove_department])
async def test_forbids_memberships_to_those_who_may_not_change_users(
    office: Office, act: Act
) -> None:
    user = await office.rows.person(office.place, office.below, roles=())
    editor = await office.rows.person(office.place, roles=("editor",))
    await refused(office, Forbidden, act, user.id, office.place, editor)


async def test_nobody_brings_somebody_with_more_rights_into_a_department(office: Office) -> None:
    await lesser_role(office)
    registrar = await office.rows.person(office.place, roles=("registrar",))
    strong = await office.rows.person(office.below, office.elsewhere, roles=("admin",))
    await refused(office, Forbidden, assign_department, strong.id, office.place, registrar)
    await done(office, assign_department, strong.id, office.place)


async def test_a_user_keeps_one_department_at_least(office: Office) -> None:
    user = await office.rows.person(office.place)
    await refused(office, Conflict, remove_department, user.id, office.place)
    both = await office.rows.person(office.place, office.elsewhere)
    await done(office, remove_department, both.id, office.place)
    assert await office.departments_of(both.id) == {office.elsewhere}


async def test_of_two_departments_removed_at_once_one_stays(office: Office) -> None:
    user = await office.rows.person(office.place, office.below)
    removals = (
        done(office, remove_department, user.id, department_id)
        for department_id in (office.place, office.below)
    )
    async with office.rows.connection.transaction():
        # Neither can end a membership before both had time to look how many there are.
        await office.rows.connection.execute(
            "select from user_departments where user_id = $1 for update", user.id
        )
        both = asyncio.gather(*removals, return_exceptions=True)
        await asyncio.sleep(0.3)
    ends = await both
    assert [type(end) for end in ends if end] == [Conflict]
    assert len(await office.departments_of(user.id)) == 1


@pytest.mark.parametrize(("act", "what"), [(revoke_role, "admin"), (remove_department, "company")])
async def test_keeps_the_last_administrator_of_the_company(
    office: Office, act: Act, what: str
) -> None:
    first, second = await only_administrators(office, 2)
    for admin in (first, second):
        await done(office, assign_department, admin.id, office.place, first)
    await done(office, act, second.id, what, first)
    await refused(office, Conflict, act, first.id, what, first)


async def test_two_administrators_can_not_dismiss_each_other(office: Office) -> None:
    for _ in range(3):
        first, second = await only_administrators(office, 2)
        ends = await asyncio.gather(
            done(office, revoke_role, second.id, "admin", first),
            done(office, revoke_role, first.id, "admin", second),
            return_exceptions=True,
        )
        # Whoever comes second is refused: it was the last one, or has just been dismissed itself.
        assert [type(end) in (Conflict, Forbidden) for end in ends if end] == [True]
