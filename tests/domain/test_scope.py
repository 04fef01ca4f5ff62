from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from domain import database as database_module
from domain.database import Database, Hold
from domain.errors import InvalidInput, NotFound, Unauthenticated
from domain.permissions import Permission
from domain.reads import Reads
from domain.scope import Identity, Scope, narrowed, opening
from tests.factories.databases import connected

if TYPE_CHECKING:
    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Person, Rows


async def scope_of(database: Database, identity: Identity) -> Scope:
    reads = Reads(database, identity, Hold())
    try:
        return await reads.scope()
    finally:
        await reads.close()


@dataclass(frozen=True)
class Tree:
    """``top`` with ``left`` and ``right`` below it, and ``leaf`` below ``left``."""

    top: UUID
    left: UUID
    right: UUID
    leaf: UUID


@pytest.fixture
async def tree(rows: Rows) -> Tree:
    top = await rows.department()
    left, right = await rows.department(top), await rows.department(top)
    return Tree(top, left, right, await rows.department(left))


@pytest.fixture
async def member(rows: Rows, tree: Tree) -> Person:
    return await rows.person(tree.left)


async def test_opens_a_department_and_all_below_it(
    database: Database, rows: Rows, tree: Tree, member: Person
) -> None:
    assert (await scope_of(database, member.identity())).departments == {tree.left, tree.leaf}
    above = await rows.person(tree.top)
    assert (await scope_of(database, above.identity())).departments == {
        tree.top,
        tree.left,
        tree.right,
        tree.leaf,
    }


async def test_opens_several_memberships_at_once(
    database: Database, rows: Rows, tree: Tree
) -> None:
    person = await rows.person(tree.leaf, tree.right)
    assert (await scope_of(database, person.identity())).departments == {tree.leaf, tree.right}


async def test_opens_everything_to_a_member_of_the_root(database: Database, rows: Rows) -> None:
    person = await rows.person(await rows.department_id("company"), roles=("viewer",))
    everything = {row.id for row in await rows.connection.fetch("select id from departments")}
    scope = await scope_of(database, person.identity())
    assert scope.departments == everything
    # Seeing everything is not being allowed everything: that is the role's.
    assert scope.permissions == {"dataset:read", "job:read", "result:read", "user:read"}


async def test_opens_nothing_to_somebody_without_a_department(
    database: Database, rows: Rows
) -> None:
    person = await rows.person()
    assert (await scope_of(database, person.identity())).departments == frozenset()


async def test_gives_the_permissions_of_all_roles_together(
    database: Database, rows: Rows, tree: Tree
) -> None:
    nobody = await rows.person(tree.left, roles=())
    assert (await scope_of(database, nobody.identity())).permissions == frozenset()
    both = await rows.person(tree.left, roles=("viewer", "editor"))
    assert Permission.DATASET_WRITE in (await scope_of(database, both.identity())).permissions
    admin = await rows.person(tree.left, roles=("admin",))
    assert (await scope_of(database, admin.identity())).permissions == set(Permission)


@pytest.mark.parametrize(("column", "value"), [("is_active", "false"), ("deleted_at", "now()")])
async def test_opens_nothing_to_an_account_that_is_closed(
    database: Database, owner: Any, member: Person, column: str, value: str
) -> None:
    await scope_of(database, member.identity())
    await owner.execute(f"update users set {column} = {value} where id = $1", member.id)  # noqa: S608
    with pytest.raises(Unauthenticated, match="account"):
        await scope_of(database, member.identity())
    with pytest.raises(Unauthenticated, match="account"):
        await scope_of(database, Identity(member.id, None))


async def test_opens_nothing_to_an_account_that_nobody_has(database: Database) -> None:
    with pytest.raises(Unauthenticated, match="account"):
        await scope_of(database, Identity(uuid4(), None))


@pytest.mark.parametrize("end", ["revoked", "expired", "another's", "unknown"])
async def test_opens_nothing_once_the_session_has_ended(
    database: Database, owner: Any, rows: Rows, tree: Tree, member: Person, end: str
) -> None:
    session_id = member.session_id
    match end:
        case "revoked":
            await owner.execute(
                "update sessions set revoked_at = now(), revoked_reason = 'logout' where id = $1",
                session_id,
            )
        case "expired":
            session_id = (await rows.session(member.id, seconds=-1)).id
        case "another's":
            session_id = (await rows.person(tree.left)).session_id
        case "unknown":
            session_id = uuid4()
    with pytest.raises(Unauthenticated, match="session"):
        await scope_of(database, Identity(member.id, session_id))


async def test_closing_an_account_ends_its_sessions_for_good(
    database: Database, owner: Any, member: Person
) -> None:
    await owner.execute("update users set is_active = false where id = $1", member.id)
    await owner.execute("update users set is_active = true where id = $1", member.id)
    with pytest.raises(Unauthenticated, match="session"):
        await scope_of(database, member.identity())


async def test_narrows_by_code_and_by_id(
    database: Database, rows: Rows, tree: Tree, member: Person
) -> None:
    code = await rows.connection.fetchval("select code from departments where id = $1", tree.leaf)
    for narrow in (code, str(tree.leaf)):
        scope = await scope_of(database, member.identity(narrow))
        assert scope.departments == {tree.leaf}
    scope = await scope_of(database, member.identity(str(tree.left)))
    assert scope.departments == {tree.left, tree.leaf}


@pytest.mark.parametrize("where", ["above", "beside", "unknown code", "unknown id"])
async def test_never_widens(database: Database, tree: Tree, member: Person, where: str) -> None:
    narrow = {
        "above": str(tree.top),
        "beside": str(tree.right),
        "unknown code": "nowhere",
        "unknown id": str(uuid4()),
    }[where]
    with pytest.raises(NotFound, match="There is no such department"):
        await scope_of(database, member.identity(narrow))


@pytest.mark.parametrize(
    "text",
    ["", " ", "Sales", "sales'", "sales; --", "s" * 51, "1sales", "sales\n", "súpply", "a\0b"],
)
def test_refuses_what_names_no_department(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        narrowed(text)
    assert refusal.value.fields[0].path == ("department",)
    with pytest.raises(InvalidInput):
        opening(Identity(uuid4(), None, text or " "), write=False)


@pytest.mark.parametrize(
    "text", ["sales", "north-sea_2", "s", "s" * 50, "01a1fba4-26fa-7319-896f-0039c92544f2"]
)
def test_takes_what_may_name_a_department(text: str) -> None:
    assert narrowed(text) == text


async def test_holds_a_change_of_membership_from_the_next_transaction_on(
    database: Database, owner: Any, tree: Tree, member: Person
) -> None:
    reads = Reads(database, member.identity(), Hold())
    assert (await reads.scope()).departments == {tree.left, tree.leaf}
    await owner.execute(
        "update user_departments set department_id = $1 where user_id = $2", tree.right, member.id
    )
    assert (await reads.scope()).departments == {tree.left, tree.leaf}
    await reads.close()
    assert (await scope_of(database, member.identity())).departments == {tree.right}


async def test_leaves_no_setting_on_the_pooled_connection(
    settings: Settings, member: Person
) -> None:
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    database = Database(one)
    await database.open()
    look = (
        "select pg_backend_pid() as pid, current_setting('app.user_id', true) as user_id, "
        "current_setting('app.department_ids', true) as departments, "
        "current_setting('app.permissions', true) as permissions, "
        "(select count(*) from departments) as seen"
    )
    try:
        for write in (False, True):
            text = opening(member.identity(), write=write)
            async with database.transaction(text, Hold()) as (connection, _):
                inside = await connection.fetchrow(look)
            async with database.transaction("begin", Hold()) as (connection, _):
                after = await connection.fetchrow(look)
            assert inside.user_id == str(member.id)
            assert inside.seen > 0
            assert after.pid == inside.pid
            assert (after.user_id, after.departments, after.permissions) == ("", "", "")
            assert after.seen == 0
    finally:
        await database.close()


async def test_reads_and_changes_differ_in_what_their_transaction_may(
    database: Database, member: Person
) -> None:
    for write, expected in ((False, ("on", "repeatable read")), (True, ("off", "read committed"))):
        text = opening(member.identity(), write=write)
        async with database.transaction(text, Hold()) as (connection, _):
            row = await connection.fetchrow(
                "select current_setting('transaction_read_only') as read_only, "
                "current_setting('transaction_isolation') as isolation"
            )
        assert (row.read_only, row.isolation) == expected


@pytest.mark.parametrize("role", ["superuser", "owner"])
async def test_refuses_to_start_as_a_role_that_the_scope_does_not_bind(
    servers: Servers, settings: Settings, role: str
) -> None:
    name = settings.database_url.get_secret_value().rpartition("/")[2]
    urls = {
        "superuser": servers.database(servers.superuser_url, name),
        "owner": servers.database(servers.owner_url, name),
    }
    unfit = Database(settings.model_copy(update={"database_url": SecretStr(urls[role])}))
    with pytest.raises(RuntimeError, match="aetherflow_app"):
        await unfit.open()
    await unfit.close()


@pytest.mark.parametrize("other", ["aetherflow_owner", "aetherflow_definer"])
async def test_refuses_to_start_as_a_member_of_a_role_that_is_let_through(
    servers: Servers, settings: Settings, process_number: int, other: str
) -> None:
    url = urlsplit(settings.database_url.get_secret_value())
    role, password = f"test_{process_number}_member", uuid4().hex
    member_url = url._replace(netloc=f"{role}:{password}@{url.hostname}:{url.port}").geturl()
    unfit = Database(settings.model_copy(update={"database_url": SecretStr(member_url)}))
    async with connected(servers.superuser_url) as superuser:
        await superuser.execute(f"create role {role} login password '{password}' in role {other}")
        try:
            with pytest.raises(RuntimeError, match="aetherflow_app"):
                await unfit.open()
        finally:
            await superuser.execute(f"drop role {role}")


async def test_refuses_to_start_on_an_old_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "MINIMUM_VERSION", 99)
    unfit = Database(settings)
    with pytest.raises(RuntimeError, match="PostgreSQL 99 or later is needed; this is 18"):
        await unfit.open()
    await unfit.close()


async def test_keeps_neighbours_apart_at_the_same_time(database: Database, rows: Rows) -> None:
    people = []
    for _ in range(6):
        department_id = await rows.department()
        people.append((department_id, await rows.person(department_id)))

    async def look(department_id: UUID, person: Person) -> None:
        for _ in range(10):
            assert (await scope_of(database, person.identity())).departments == {department_id}

    await asyncio.gather(*(look(*each) for each in people))
