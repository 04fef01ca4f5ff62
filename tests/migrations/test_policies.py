"""Row-level security by direct SQL, table by table, as the application's own role."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from domain.scope import ScopeKind
from tests.factories.databases import connected
from tests.factories.realms import Realm, realm_of
from tests.factories.rows import Rows
from tests.migrations.policies import CLOSED, GRANTS, KINDS, enter, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.settings import Settings
    from tests.conftest import Servers

GUARDED = [
    table for table, kind in KINDS.items() if kind is not ScopeKind.SHARED and table not in CLOSED
]
SHARED = [table for table, kind in KINDS.items() if kind is ScopeKind.SHARED]
COMMANDS = {
    "select": "using (true)",
    "insert": "with check (true)",
    "update": "using (true) with check (true)",
    "delete": "using (true)",
}
WEAKENED = [
    (table, command, how)
    for table in GUARDED
    for command in GRANTS[table].split()
    for how in ("dropped", "opened")
    # Anybody who may write accounts may insert one: its membership is what is checked.
    if (table, command, how) != ("users", "insert", "opened")
]


@dataclass(frozen=True)
class World:
    sales: Realm
    supply: Realm
    finance: Realm
    loner: UUID


@pytest.fixture(scope="module")
def world(settings: Settings) -> World:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()

    async def make() -> World:
        async with connected(url) as connection:
            rows = Rows(connection)
            realms = [
                await realm_of(connection, code.upper(), await rows.department_id(code))
                for code in ("sales", "supply", "finance")
            ]
            sales, supply, finance = realms
            return World(sales, supply, finance, (await rows.person(roles=())).id)

    return asyncio.run(make())


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Any]:
    """A transaction of the application's own role."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


@pytest.fixture
async def superuser(servers: Servers, settings: Settings) -> AsyncIterator[Any]:
    """A transaction that may change policies and then take the application's role."""
    name = settings.database_url.get_secret_value().rpartition("/")[2]
    async with connected(servers.database(servers.superuser_url, name)) as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()


def test_every_table_is_tried() -> None:
    assert set(GRANTS) == set(KINDS)


@pytest.mark.parametrize("table", GUARDED)
async def test_keeps_each_department_to_its_own_rows(app: Any, world: World, table: str) -> None:
    sales, supply, finance = world.sales, world.supply, world.finance
    for mine, theirs in ((sales, supply), (supply, finance), (finance, sales)):
        assert await faults(app, table, mine, theirs, world.loner) == []


@pytest.mark.parametrize(("table", "command", "how"), WEAKENED)
async def test_notices_a_policy_that_is_gone_or_open(
    superuser: Any, world: World, table: str, command: str, how: str
) -> None:
    await superuser.execute(f"drop policy app_{command} on {table}")
    if how == "opened":
        await superuser.execute(
            f"create policy opened on {table} for {command} to aetherflow_app {COMMANDS[command]}"
        )
    await superuser.execute("set local role aetherflow_app")
    assert await faults(superuser, table, world.sales, world.supply, world.loner) != []


@pytest.mark.parametrize("table", GUARDED)
async def test_notices_security_that_is_off(superuser: Any, world: World, table: str) -> None:
    await superuser.execute(f"alter table {table} disable row level security")
    await superuser.execute("set local role aetherflow_app")
    assert await faults(superuser, table, world.sales, world.supply, world.loner) != []


@pytest.mark.parametrize("table", GUARDED)
async def test_finds_nothing_amiss_when_nothing_is(
    superuser: Any, world: World, table: str
) -> None:
    await superuser.execute("set local role aetherflow_app")
    assert await faults(superuser, table, world.sales, world.supply, world.loner) == []


@pytest.mark.parametrize("table", ["sessions", "idempotency_keys", "api_tokens"])
async def test_shows_what_is_ones_own_to_no_colleague(app: Any, world: World, table: str) -> None:
    await enter(app, world.sales)
    users = [row[0] for row in await app.fetch(f"select user_id from {table}")]  # noqa: S608
    assert users
    assert set(users) == {world.sales.person.id}


@pytest.mark.parametrize("table", SHARED)
async def test_lets_the_application_only_read_what_is_shared(
    app: Any, world: World, table: str
) -> None:
    await enter(app, world.sales)
    assert await app.fetchval(f"select count(*) from {table}") > 0  # noqa: S608
    for privilege in ("insert", "update", "delete", "truncate"):
        assert not await app.fetchval("select has_table_privilege($1, $2)", table, privilege)


@pytest.mark.parametrize("table", KINDS)
async def test_grants_the_application_no_more_than_it_needs(app: Any, table: str) -> None:
    for privilege in ("select", "insert", "update", "delete", "truncate", "references", "trigger"):
        # What is granted for some columns is granted, as on accounts.
        check = "has_table_privilege"
        if privilege in ("select", "insert", "update", "references"):
            check = "has_any_column_privilege"
        may = await app.fetchval(f"select {check}($1, $2)", table, privilege)
        assert may is (privilege in GRANTS[table].split()), privilege


@pytest.mark.parametrize("table", sorted(CLOSED))
@pytest.mark.parametrize("command", COMMANDS)
async def test_keeps_the_application_away_from_what_functions_alone_may_touch(
    app: Any, world: World, table: str, command: str
) -> None:
    await enter(app, world.sales)
    assert not await app.fetchval("select has_any_column_privilege($1, 'select')", table)
    assert not await app.fetchval("select has_table_privilege($1, $2)", table, command)


async def test_shows_what_belongs_to_no_department_to_the_company_alone(
    app: Any, world: World, owner: Any
) -> None:
    someone = await owner.fetchval(
        "select count(*) from audit_logs where department_id is null and table_name = 'users'"
    )
    assert someone > 0
    await enter(app, world.sales)
    nobodys = "select count(*) from audit_logs where department_id is null"
    assert await app.fetchval(nobodys) == 0
    admin = await Rows(owner).person(await Rows(owner).department_id("company"))
    await app.fetch("select * from begin_scope($1, $2, null)", admin.id, admin.session_id)
    assert await app.fetchval(nobodys) >= someone


@pytest.mark.parametrize("role", ["aetherflow_owner", "aetherflow_definer", None])
@pytest.mark.parametrize("table", ["audit_logs", "partition"])
async def test_lets_nobody_change_or_remove_what_the_audit_log_says(
    superuser: Any, world: World, role: str | None, table: str
) -> None:
    assert world.sales.rows["audit_logs"]
    if table == "partition":
        table = await superuser.fetchval(
            "select tableoid::regclass::text from audit_logs order by created_at desc limit 1"
        )
    before = await superuser.fetchval("select count(*) from audit_logs")
    if role:
        await superuser.execute(f"set local role {role}")
    for text in (
        f"update {table} set change_reason = 'changed'",  # noqa: S608
        f"delete from {table}",  # noqa: S608
        f"truncate {table}",
    ):
        savepoint = superuser.transaction()
        await savepoint.start()
        with pytest.raises(asyncpg.PostgresError) as refused:
            await superuser.execute(text)
        await savepoint.rollback()
        assert refused.value.sqlstate in ("AF409", "42501")
    await superuser.execute("reset role")
    assert await superuser.fetchval("select count(*) from audit_logs") == before


@pytest.mark.parametrize(
    "text",
    [
        "select token_hash from api_tokens",
        "select * from api_tokens",
        "update api_tokens set name = token_hash",
    ],
)
async def test_never_gives_the_digest_of_an_api_token_to_the_application(
    app: Any, world: World, text: str
) -> None:
    await enter(app, world.sales)
    with pytest.raises(Exception, match="permission denied for table api_tokens"):
        await app.execute(text)


@pytest.mark.parametrize(
    "text",
    [
        "select password_hash from users",
        "select * from users",
        "select users from users",
        "select count(password_hash) from users",
        "select id from users where password_hash = ''",
        "select id from users order by password_hash",
        "update users set full_name = password_hash",
        "update users set id = id returning password_hash",
        "copy users (password_hash) to stdout",
    ],
)
async def test_never_gives_a_password_hash_to_the_application(
    app: Any, world: World, text: str
) -> None:
    await enter(app, world.sales)
    with pytest.raises(Exception, match="permission denied for table users"):
        await app.execute(text)
