from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from domain.bell import Silence
from domain.errors import Conflict, DomainError, Duplicate, Forbidden, InvalidInput, NotFound
from domain.identity.actions.sessions import login, refresh_session
from domain.identity.actions.users import (
    NewUser,
    activate_user,
    change_password,
    create_user,
    deactivate_user,
    update_profile,
)
from domain.scope import Origin
from domain.work import working
from tests.factories.rows import PASSWORD, Person

if TYPE_CHECKING:
    from tests.domain.identity.conftest import Office

NEW_PASSWORD = "a new password"


def newcomer(*departments: UUID | str, **values: Any) -> NewUser:
    given = {"email": f"{uuid4().hex}@example.com", "full_name": "New Comer"} | values
    return NewUser(departments=departments, **given)


async def created(
    office: Office, new: NewUser, person: Person | None = None, key: str | None = None
) -> UUID:
    return await create_user(office.works(person), office.tokens, new, idempotency_key=key)


async def changed(office: Office, old: str, new: str) -> None:
    await change_password(office.works(), office.tokens, old, new)


async def refused(office: Office, kind: type[DomainError], attempt: Any) -> str:
    async with office.unchanged():
        with pytest.raises(kind) as refusal:
            await attempt
    return refusal.value.message


async def deactivated(
    office: Office, user_id: UUID, person: Person | None = None, narrow: str | None = None
) -> None:
    async with office.works(person, narrow)() as work:
        await deactivate_user(work, user_id)


async def activated(office: Office, user_id: UUID, person: Person | None = None) -> None:
    async with office.works(person)() as work:
        await activate_user(work, user_id)


async def signs_in(office: Office, email: str, password: str = PASSWORD) -> bool:
    try:
        await login(office.database, Silence(), office.tokens, email, password, Origin())
    except DomainError:
        return False
    return True


async def only_administrators(office: Office, number: int) -> list[Person]:
    """Makes the only administrators of the company."""
    root = await office.rows.department_id("company")
    await office.rows.connection.execute(
        "delete from user_departments where department_id = $1", root
    )
    return [await office.rows.person(root, roles=("admin",)) for _ in range(number)]


async def test_creates_an_account_that_signs_in_and_belongs_where_it_was_said(
    office: Office,
) -> None:
    new = newcomer(
        office.place,
        await office.code(office.below),
        email="  New.Comer@Example.COM ",
        full_name=" Né Comer ",
        roles=("viewer", "editor"),
        password=NEW_PASSWORD,
    )
    user_id = await created(office, new)
    row = await office.row("users", user_id)
    assert (row.email, row.full_name, row.is_active) == ("new.comer@example.com", "Né Comer", True)
    assert row.password_hash.startswith("$2b$12$")
    assert row.password_changed_at is not None
    assert await office.departments_of(user_id) == {office.place, office.below}
    assert await office.roles_of(user_id) == {"viewer", "editor"}
    assigned = await office.rows.connection.fetch(
        "select assigned_by from user_roles where user_id = $1 "
        "union all select assigned_by from user_departments where user_id = $1",
        user_id,
    )
    assert {found.assigned_by for found in assigned} == {office.manager.id}
    assert await signs_in(office, "new.comer@example.com", NEW_PASSWORD)


async def test_an_account_without_password_opens_for_none(office: Office) -> None:
    new = newcomer(office.place)
    assert (await office.row("users", await created(office, new))).password_hash is None
    assert not await signs_in(office, new.email, "")
    assert not await signs_in(office, new.email, "None")


@pytest.mark.parametrize("password", [None, NEW_PASSWORD])
async def test_a_repeated_key_creates_nothing_twice(office: Office, password: str | None) -> None:
    new = newcomer(office.place, roles=("viewer",), password=password)
    user_id = await created(office, new, key="again")
    async with office.unchanged():
        assert await created(office, new, key="again") == user_id
    for other in (
        replace(new, password="another password"),
        replace(new, full_name="Another"),
        replace(new, departments=(office.below,)),
        replace(new, roles=()),
    ):
        await refused(office, Conflict, created(office, other, key="again"))


async def test_a_key_keeps_nothing_that_tells_the_password(office: Office) -> None:
    await created(office, newcomer(office.place, password=NEW_PASSWORD), key="kept")
    kept = await office.rows.connection.fetchval(
        "select input_hash from idempotency_keys where user_id = $1", office.manager.id
    )
    assert len(kept) == 64
    assert office.tokens.fingerprint(NEW_PASSWORD) != kept


async def test_answers_the_same_for_an_address_taken_here_and_elsewhere(office: Office) -> None:
    here = await office.rows.person(office.place)
    there = await office.rows.person(office.elsewhere)
    messages = {
        await refused(
            office, Duplicate, created(office, newcomer(office.place, email=person.email.upper()))
        )
        for person in (here, there)
    }
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "@"}, "email"),
        ({"email": "a@b c"}, "email"),
        ({"email": "a\0@b"}, "email"),
        ({"email": "x" * 250 + "@b.de"}, "email"),
        ({"full_name": "  "}, "fullName"),
        ({"full_name": "x" * 256}, "fullName"),
        ({"full_name": "a\0b"}, "fullName"),
        ({"password": "1234567"}, "password"),
        ({"password": "x" * 73}, "password"),
        ({"departments": ()}, "departments"),
    ],
)
async def test_rejects_what_breaks_a_rule_and_names_the_field(
    office: Office, change: dict[str, Any], path: str
) -> None:
    new = replace(newcomer(office.place), **change)
    with pytest.raises(InvalidInput) as refusal:
        async with office.unchanged():
            await created(office, new)
    assert [fault.path for fault in refusal.value.fields] == [(path,)]


async def test_forbids_creating_to_those_without_the_permission(office: Office) -> None:
    editor = await office.rows.person(office.place, roles=("editor",))
    await refused(office, Forbidden, created(office, newcomer(office.place), editor))


async def test_does_no_slow_work_for_those_without_the_permission(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr("domain.identity.actions.users.hash_password", never)
    editor = await office.rows.person(office.place, roles=("editor",))
    new = newcomer(office.place, password=NEW_PASSWORD)
    await refused(office, Forbidden, created(office, new, editor))


async def test_finds_no_department_outside_the_scope(office: Office) -> None:
    messages = {
        await refused(office, NotFound, created(office, newcomer(office.place, reference)))
        for reference in (office.elsewhere, await office.code(office.elsewhere), uuid4(), "nil")
    }
    assert len(messages) == 1


async def test_finds_no_role_that_there_is_not(office: Office) -> None:
    await refused(office, NotFound, created(office, newcomer(office.place, roles=("emperor",))))


async def test_nobody_creates_an_account_with_more_rights_than_its_own(office: Office) -> None:
    await lesser_role(office)
    limited = await office.rows.person(office.place, roles=("registrar",))
    for role, beyond in (("admin", "audit:"), ("manager", "audit:"), ("editor", "dataset:")):
        attempt = created(office, newcomer(office.place, roles=(role,)), limited)
        assert beyond in await refused(office, Forbidden, attempt)
    user_id = await created(office, newcomer(office.place, roles=("registrar",)), limited)
    assert await office.roles_of(user_id) == {"registrar"}


async def test_giving_roles_needs_the_permission_to_assign_them(office: Office) -> None:
    await lesser_role(office, "clerk", "user:read", "user:write")
    clerk = await office.rows.person(office.place, roles=("clerk",))
    attempt = created(office, newcomer(office.place, roles=("clerk",)), clerk)
    assert "role:assign" in await refused(office, Forbidden, attempt)
    await created(office, newcomer(office.place), clerk)


REGISTERING = ("user:read", "user:write", "role:assign")


async def lesser_role(office: Office, name: str = "registrar", *permissions: str) -> None:
    """A role that registers users, unless said otherwise, and may do nothing else."""
    role_id = await office.rows.connection.fetchval(
        "insert into roles (name) values ($1) "
        "on conflict (name) do update set name = excluded.name returning id",
        name,
    )
    for permission in permissions or REGISTERING:
        await office.rows.connection.execute(
            "insert into role_permissions (role_id, permission) values ($1, $2) "
            "on conflict do nothing",
            role_id,
            permission,
        )


async def test_deactivating_ends_the_sessions_and_activating_brings_none_back(
    office: Office,
) -> None:
    user = await office.rows.person(office.place, roles=("viewer",))
    opened = await login(office.database, Silence(), office.tokens, user.email, PASSWORD, Origin())
    await deactivated(office, user.id)
    assert not (await office.row("users", user.id)).is_active
    for session_id in (user.session_id, opened.session_id):
        assert (await office.row("sessions", session_id)).revoked_reason == "deactivated"
    assert not await signs_in(office, user.email)
    async with office.unchanged():
        await deactivated(office, user.id)
    await activated(office, user.id)
    async with office.unchanged():
        await activated(office, user.id)
    assert await signs_in(office, user.email)
    with pytest.raises(DomainError):
        await refresh_session(
            office.database, Silence(), office.tokens, opened.refresh_token, Origin()
        )
    with pytest.raises(DomainError):
        async with working(office.database, user.identity(), Silence()) as work:
            work.own()


async def test_leaves_the_sessions_of_others_alone(office: Office) -> None:
    user = await office.rows.person(office.place)
    await deactivated(office, user.id)
    assert (await office.row("sessions", office.manager.session_id)).revoked_at is None


@pytest.mark.parametrize("act", [deactivated, activated])
async def test_finds_no_user_outside_the_scope(office: Office, act: Any) -> None:
    stranger = await office.rows.person(office.elsewhere)
    messages = {await refused(office, NotFound, act(office, key)) for key in (stranger.id, uuid4())}
    assert len(messages) == 1


@pytest.mark.parametrize("act", [deactivated, activated])
async def test_forbids_what_needs_a_permission_that_is_not_held(office: Office, act: Any) -> None:
    user = await office.rows.person(office.place)
    editor = await office.rows.person(office.place, roles=("editor",))
    await refused(office, Forbidden, act(office, user.id, editor))


@pytest.mark.parametrize("act", [deactivated, activated])
async def test_forbids_changing_a_user_who_also_belongs_elsewhere(office: Office, act: Any) -> None:
    both = await office.rows.person(office.place, office.elsewhere, is_active=act is deactivated)
    await refused(office, Forbidden, act(office, both.id))


async def test_forbids_changing_a_user_whose_department_the_request_left_out(
    office: Office,
) -> None:
    both = await office.rows.person(office.place, office.below)
    narrow = await office.code(office.below)
    await refused(office, Forbidden, deactivated(office, both.id, narrow=narrow))
    await deactivated(office, both.id)


async def test_forbids_deactivating_oneself(office: Office) -> None:
    await refused(office, Forbidden, deactivated(office, office.manager.id))


async def test_keeps_the_last_administrator_of_the_company(office: Office) -> None:
    first, second = await only_administrators(office, 2)
    root = await office.rows.department_id("company")
    weaker = await office.rows.person(root, roles=("editor",))
    await lesser_role(office)
    registrar = await office.rows.person(root, roles=("registrar",))
    await deactivated(office, second.id, first)
    await refused(office, Conflict, deactivated(office, first.id, registrar))
    await deactivated(office, weaker.id, first)
    await activated(office, second.id, registrar)
    await deactivated(office, first.id, registrar)


async def test_changes_the_callers_own_name_and_no_other(office: Office) -> None:
    viewer = await office.rows.person(office.place, roles=())
    async with office.works(viewer)() as work:
        await update_profile(work, "  Another Name ")
    assert (await office.row("users", viewer.id)).full_name == "Another Name"
    assert (await office.row("users", office.manager.id)).full_name != "Another Name"


async def test_changes_the_password_and_ends_the_other_sessions(office: Office) -> None:
    me = office.manager
    other = await office.rows.session(me.id)
    stranger = await office.rows.person(office.place)
    await changed(office, PASSWORD, NEW_PASSWORD)
    assert await signs_in(office, me.email, NEW_PASSWORD)
    assert not await signs_in(office, me.email, PASSWORD)
    assert (await office.row("sessions", other.id)).revoked_reason == "password_changed"
    assert (await office.row("sessions", me.session_id)).revoked_at is None
    assert (await office.row("sessions", stranger.session_id)).revoked_at is None
    assert (await office.row("users", me.id)).password_changed_at is not None


async def test_a_wrong_old_password_changes_nothing_and_counts_as_a_failure(
    office: Office,
) -> None:
    before = await office.row("users", office.manager.id)
    for _ in range(5):
        with pytest.raises(InvalidInput) as refusal:
            await changed(office, "not the password", NEW_PASSWORD)
        assert refusal.value.fields[0].path == ("oldPassword",)
    after = await office.row("users", office.manager.id)
    assert after.password_hash == before.password_hash
    assert after.failed_login_count == 5
    await refused(office, InvalidInput, changed(office, PASSWORD, NEW_PASSWORD))
    assert not await signs_in(office, office.manager.email)


@pytest.mark.parametrize("new", ["1234567", "x" * 73, PASSWORD])
async def test_rejects_a_new_password_that_breaks_a_rule_before_any_work(
    office: Office, new: str, compared: list[bytes]
) -> None:
    await refused(office, InvalidInput, changed(office, PASSWORD, new))
    assert compared == []
