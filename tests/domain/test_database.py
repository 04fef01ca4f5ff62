from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from domain import database as database_module
from domain.database import Database, Hold, Row, translated
from domain.errors import Conflict, NotFound, Unauthenticated, Unavailable
from domain.scope import Identity, opening
from tests.factories.databases import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Rows

PLAIN = "begin"


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[Database]:
    """A database of one connection, which shows at once whether it was given back."""
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    opened = Database(one)
    await opened.open()
    yield opened
    await opened.close()


async def backend(database: Database) -> int:
    """The server's number for the connection that is next."""
    async with database.transaction(PLAIN, Hold()) as (connection, _):
        pid: int = await connection.fetchval("select pg_backend_pid()")
        return pid


@contextlib.asynccontextmanager
async def superuser(servers: Servers) -> AsyncIterator[Any]:
    async with connected(servers.superuser_url) as connection:
        yield connection


async def killed(servers: Servers, pid: int) -> None:
    """Ends a connection on the server's side, and waits until it is gone."""
    async with superuser(servers) as connection:
        await connection.execute("select pg_terminate_backend($1, 5000)", pid)


def test_a_row_is_read_by_attribute(settings: Settings) -> None:
    async def look() -> Row:
        async with connected(settings.database_url.get_secret_value()) as connection:
            row: Row = await connection.fetchrow("select 1 as one, 'x' as status")
            return row

    row = asyncio.run(look())
    assert (row.one, row["status"], row.status) == (1, "x", "x")
    with pytest.raises(AttributeError, match="missing"):
        _ = row.missing


async def test_commits_at_the_end_and_takes_everything_back_at_an_error(
    database: Database, rows: Rows
) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    text = opening(person.identity(), write=True)
    change = "update departments set description = $1 where id = $2"

    async def described() -> str | None:
        found: str | None = await rows.connection.fetchval(
            "select description from departments where id = $1", department_id
        )
        return found

    async def change_and_fail(error: BaseException) -> None:
        async with database.transaction(text, Hold()) as (connection, _):
            await connection.execute(change, "never", department_id)
            raise error

    async with database.transaction(text, Hold()) as (connection, count):
        assert count == 1
        await connection.execute(change, "kept", department_id)
    assert await described() == "kept"
    for error in (ValueError("no"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await change_and_fail(error)
        assert await described() == "kept"


async def test_does_not_pass_off_a_failed_transaction_as_committed(database: Database) -> None:
    async def swallow() -> None:
        async with database.transaction(PLAIN, Hold()) as (connection, _):
            with contextlib.suppress(asyncpg.DivisionByZeroError):
                await connection.execute("select 1 / 0")

    with pytest.raises(RuntimeError, match="nothing of it was committed"):
        await swallow()


async def test_an_operation_never_holds_two_connections(database: Database) -> None:
    hold = Hold()

    async def take_two() -> None:
        async with (
            database.transaction(PLAIN, hold),
            database.transaction(PLAIN, hold),
        ):
            pytest.fail("a second connection was taken")

    with pytest.raises(AssertionError, match="never holds two connections"):
        await take_two()
    assert not hold.taken
    async with database.transaction(PLAIN, hold):
        assert hold.taken


async def test_uses_a_connection_again(narrow: Database) -> None:
    assert await backend(narrow) == await backend(narrow)


async def test_opens_on_another_connection_when_the_pooled_one_was_killed(
    narrow: Database, servers: Servers
) -> None:
    before = await backend(narrow)
    await killed(servers, before)
    assert await backend(narrow) != before


async def test_opens_although_every_pooled_connection_was_killed(
    database: Database, servers: Servers
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        pids = []
        for _ in range(5):
            connection, _ = await stack.enter_async_context(database.transaction(PLAIN, Hold()))
            pids.append(await connection.fetchval("select pg_backend_pid()"))
    for pid in pids:
        await killed(servers, pid)
    found = await asyncio.gather(*(backend(database) for _ in range(5)))
    assert not set(found) & set(pids)


@pytest.mark.parametrize("error", ["died", "ending", "starting"])
async def test_tries_again_when_the_opening_meets_a_dead_connection(
    narrow: Database, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    errors = {
        "died": asyncpg.ConnectionDoesNotExistError("connection was closed"),
        "ending": asyncpg.AdminShutdownError("terminating connection"),
        "starting": asyncpg.CannotConnectNowError("the database system is starting up"),
    }
    execute = database_module.Connection.execute
    failures = [errors[error]] * 2

    async def dying(self: Any, query: str, *args: Any, **kwargs: Any) -> str:
        if query == PLAIN and failures:
            raise failures.pop()
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(database_module.Connection, "execute", dying)
    assert await backend(narrow) > 0
    failures += [errors[error]] * 3
    with pytest.raises(Unavailable, match="does not answer"):
        await backend(narrow)
    assert await backend(narrow) > 0


async def test_a_connection_that_dies_inside_is_unavailable_and_replaced(
    narrow: Database, servers: Servers
) -> None:
    async def die_before_the_commit() -> None:
        async with narrow.transaction(PLAIN, Hold()) as (connection, _):
            await killed(servers, await connection.fetchval("select pg_backend_pid()"))

    with pytest.raises(Unavailable, match="went away"):
        await die_before_the_commit()
    assert await backend(narrow) > 0


async def test_gives_up_soon_when_all_connections_are_taken(
    narrow: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "ACQUIRE_SECONDS", 0.05)
    async with narrow.transaction(PLAIN, Hold()):
        with pytest.raises(Unavailable, match="are taken"):
            await backend(narrow)
    assert await backend(narrow) > 0


async def test_a_refused_opening_gives_its_connection_back(narrow: Database) -> None:
    text = opening(Identity(uuid4(), None), write=False)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            async with narrow.transaction(text, Hold()):
                pytest.fail("it opened")
    assert await backend(narrow) > 0


@pytest.mark.parametrize("where", ["opening", "inside", "waiting"])
async def test_gives_its_connection_back_when_it_is_cancelled(
    narrow: Database, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(database_module, "ACQUIRE_SECONDS", 5)
    text = "begin; select pg_sleep(10)" if where == "opening" else PLAIN

    async def operation() -> None:
        async with narrow.transaction(text, Hold()) as (connection, _):
            await connection.execute("select pg_sleep(10)")

    async with contextlib.AsyncExitStack() as stack:
        if where == "waiting":
            await stack.enter_async_context(narrow.transaction(PLAIN, Hold()))
        running = asyncio.create_task(operation())
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    async with asyncio.timeout(5):
        assert await backend(narrow) > 0


async def test_many_cancelled_at_any_moment_leave_a_whole_pool(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = settings.model_copy(update={"database_pool_size": 2, "database_max_overflow": 1})
    database = Database(small)
    await database.open()
    monkeypatch.setattr(database_module, "ACQUIRE_SECONDS", 5)

    async def operation() -> None:
        async with database.transaction(PLAIN, Hold()) as (connection, _):
            await connection.execute("select pg_sleep(0.002)")

    try:
        for moment in range(40):
            running = [asyncio.create_task(operation()) for _ in range(4)]
            await asyncio.sleep(moment / 5000)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        async with asyncio.timeout(5), contextlib.AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(database.transaction(PLAIN, Hold()))
    finally:
        await database.close()


async def test_replaces_a_connection_that_has_grown_old(settings: Settings) -> None:
    values = {"database_pool_size": 1, "database_max_overflow": 0, "database_recycle_seconds": 60}
    database = Database(settings.model_copy(update=values))
    await database.open()
    try:
        first = await backend(database)
        assert await backend(database) == first
        async with database.transaction(PLAIN, Hold()) as (connection, _):
            connection._con.born -= 61
        assert await backend(database) != first
    finally:
        await database.close()


async def test_is_unavailable_where_no_server_answers(settings: Settings) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://aetherflow_app:x@127.0.0.1:{closed.getsockname()[1]}/none"
        nowhere = Database(settings.model_copy(update={"database_url": SecretStr(url)}))
        with pytest.raises(Unavailable, match="does not answer"):
            await nowhere.open()
    with pytest.raises(Unavailable, match="not open"):
        await backend(nowhere)


async def test_ends_a_statement_that_takes_too_long(settings: Settings) -> None:
    hasty = Database(settings.model_copy(update={"database_statement_seconds": 0.1}))
    await hasty.open()
    try:
        async with hasty.transaction(PLAIN, Hold()) as (connection, _):
            assert await connection.fetchval("show statement_timeout") == "100ms"
        with pytest.raises(asyncpg.QueryCanceledError):
            async with hasty.transaction(PLAIN, Hold()) as (connection, _):
                await connection.execute("select pg_sleep(5)")
        assert await backend(hasty) > 0
    finally:
        await hasty.close()


async def test_waits_only_so_long_for_rows_that_others_hold(
    settings: Settings, rows: Rows, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "LOCK_SECONDS", 0.1)
    department_id = await rows.department()
    text = opening((await rows.person(department_id)).identity(), write=True)
    held = "select from departments where id = $1 for update"
    hasty = Database(settings)
    await hasty.open()
    try:
        async with owner.transaction():
            await owner.execute(held, department_id)
            with pytest.raises(asyncpg.LockNotAvailableError) as refusal:
                async with hasty.transaction(text, Hold()) as (connection, _):
                    await connection.execute(held, department_id)
        error = translated(refusal.value)
        assert isinstance(error, Unavailable)
        assert error.message == "Somebody else is changing this right now. Try again."
        async with hasty.transaction(text, Hold()) as (connection, _):
            await connection.execute(held, department_id)
    finally:
        await hasty.close()


async def test_what_a_frozen_process_holds_becomes_free(
    settings: Settings, rows: Rows, owner: Any
) -> None:
    department_id = await rows.department()
    text = opening((await rows.person(department_id)).identity(), write=True)
    held = "select from departments where id = $1 for update"
    frozen = Database(settings, idle_seconds=0.1)
    await frozen.open()

    async def freeze() -> None:
        async with frozen.transaction(text, Hold()) as (connection, _):
            await connection.execute(held, department_id)
            async with asyncio.timeout(5):
                await owner.execute(held, department_id)
            await connection.execute(held, department_id)

    try:
        with pytest.raises(database_module.LOST) as refusal:
            await freeze()
        assert isinstance(translated(refusal.value), Unavailable)
        assert await backend(frozen) > 0
    finally:
        await frozen.close()


async def test_speaks_json_and_utc(database: Database) -> None:
    async with database.transaction(PLAIN, Hold()) as (connection, _):
        value = {"a": [1, None, "ü"], "b": {"c": 1.5}}
        assert await connection.fetchval("select $1::jsonb", value) == value
        assert await connection.fetchval("show timezone") == "UTC"
        found = await connection.fetchval("select $1::uuid", UUID(int=7))
        assert found == UUID(int=7)


@pytest.mark.parametrize(
    ("code", "kind"), [("AF401", Unauthenticated), ("AF404", NotFound), ("AF409", Conflict)]
)
async def test_gives_our_functions_refusals_to_the_caller_word_by_word(
    owner: Any, code: str, kind: type[Exception]
) -> None:
    raising = f"do $$ begin raise exception using errcode = '{code}', message = 'Not so.'; end $$"
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await owner.execute(raising)
    error = translated(refusal.value)
    assert type(error) is kind
    assert str(error) == "Not so."


async def test_hides_no_other_error(owner: Any) -> None:
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await owner.execute("select 1 / 0")
    assert translated(refusal.value) is refusal.value
