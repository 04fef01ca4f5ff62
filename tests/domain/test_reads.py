from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from domain import database as database_module
from domain.catalog.models import Dataset, Workspace
from domain.database import Database, Hold, Row
from domain.errors import NotFound, Unauthenticated, Unavailable
from domain.filters import Condition, Operator
from domain.identity.models import User
from domain.jobs.models import Job
from domain.paging import Page
from domain.reads import SCOPE, Reads
from domain.scope import Identity
from domain.statements import Statement
from tests.factories.databases import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Person, Rows

ONE = Statement("select 1 as one", (), {}, Row)
SLOW = Statement("select pg_sleep(0.2), 'slow' as name", (), {}, Row)
BROKEN = Statement("select 1 / 0", (), {}, Row)
PID = Statement("select pg_backend_pid() as pid", (), {}, Row)


@pytest.fixture
async def department_id(rows: Rows) -> UUID:
    return await rows.department()


@pytest.fixture
async def person(rows: Rows, department_id: UUID) -> Person:
    return await rows.person(department_id)


@asynccontextmanager
async def reading(database: Database, person: Person) -> AsyncIterator[Reads]:
    reads = Reads(database, person.identity(), Hold())
    try:
        yield reads
    finally:
        await reads.close()


@pytest.fixture
async def reads(database: Database, person: Person) -> AsyncIterator[Reads]:
    async with reading(database, person) as opened:
        yield opened


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[Database]:
    """A database of one connection, which shows at once whether it was given back."""
    one = settings.model_copy(update={"database_pool_size": 1, "database_max_overflow": 0})
    opened = Database(one)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_cancelled_field_takes_no_sibling_with_it(reads: Reads) -> None:
    """A null in a non-null field makes the executor cancel what runs beside it."""
    cancelled = asyncio.create_task(reads.rows(SLOW))
    sibling = asyncio.create_task(reads.row(ONE))
    await asyncio.sleep(0.05)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    row = await sibling
    assert row
    assert row.one == 1
    assert reads.failure is None
    assert await reads.row(ONE) is not None


async def test_a_field_cancelled_while_the_snapshot_opens_takes_none_with_it(
    database: Database, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = 0
    transaction = database.transaction

    def counted(text: str, hold: Hold) -> Any:
        nonlocal opened
        opened += 1
        return transaction(text.replace("select *", "select pg_sleep(0.1); select *"), hold)

    monkeypatch.setattr(database, "transaction", counted)
    async with reading(database, person) as reads:
        cancelled = asyncio.create_task(reads.page(Dataset, Page(1)))
        sibling = asyncio.create_task(reads.page(Dataset, Page(1)))
        await asyncio.sleep(0.02)
        cancelled.cancel()
        assert (await sibling).rows == []
    assert opened == 1


async def test_the_whole_operation_fails_with_the_first_statement_that_does(reads: Reads) -> None:
    assert await reads.row(ONE) is not None
    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.rows(BROKEN)
    assert isinstance(reads.failure, asyncpg.DivisionByZeroError)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.row(ONE)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await reads.page(Dataset, Page(1))


async def test_a_statement_that_nobody_awaits_fails_the_operation_too(reads: Reads) -> None:
    lonely = asyncio.create_task(reads.rows(BROKEN))
    await asyncio.sleep(0)
    lonely.cancel()
    await asyncio.gather(lonely, return_exceptions=True)
    await reads.close()
    assert isinstance(reads.failure, asyncpg.DivisionByZeroError)


async def test_runs_one_statement_at_a_time_on_one_connection(reads: Reads) -> None:
    found = await asyncio.gather(*(reads.row(PID) for _ in range(20)))
    assert len({row.pid for row in found if row}) == 1


async def test_takes_no_connection_before_the_first_statement(
    narrow: Database, person: Person
) -> None:
    idle = [Reads(narrow, person.identity(), Hold()) for _ in range(3)]
    async with reading(narrow, person) as reads:
        assert await reads.row(ONE) is not None
    for each in idle:
        await each.close()


async def test_two_reads_of_one_operation_never_hold_two_connections(
    database: Database, person: Person
) -> None:
    hold = Hold()
    first, second = (Reads(database, person.identity(), hold) for _ in range(2))
    await first.row(ONE)
    with pytest.raises(AssertionError, match="never holds two connections"):
        await second.row(ONE)
    await second.close()
    await first.close()
    third = Reads(database, person.identity(), hold)
    assert await third.row(ONE) is not None
    await third.close()


async def test_eight_operations_share_four_connections_without_standing_still(
    settings: Settings, person: Person
) -> None:
    four = settings.model_copy(update={"database_pool_size": 4, "database_max_overflow": 0})
    database = Database(four)
    await database.open()

    async def operation() -> None:
        async with reading(database, person) as reads:
            await asyncio.gather(*(reads.page(model, Page(5)) for model in (Dataset, Job, User)))

    try:
        async with asyncio.timeout(10):
            await asyncio.gather(*(operation() for _ in range(8)))
    finally:
        await database.close()


async def test_sees_one_snapshot_whatever_is_committed_meanwhile(
    reads: Reads, rows: Rows, department_id: UUID, person: Person, database: Database
) -> None:
    before = await rows.dataset(department_id, person.id)
    assert await reads.count(Dataset, ()) == 1
    late = await rows.dataset(department_id, person.id)
    await rows.connection.execute("update datasets set name = 'Renamed' where id = $1", before.id)
    assert await reads.count(Dataset, ()) == 1
    page = await reads.page(Dataset, Page(10))
    assert [(row.id, row.name) for row in page.rows] == [(before.id, before.name)]
    assert await reads.by_keys(Dataset, [late.id]) == {}
    async with reading(database, person) as after:
        assert await after.count(Dataset, ()) == 2
        assert (await after.by_keys(Dataset, [before.id]))[before.id].name == "Renamed"


async def test_can_only_read(reads: Reads) -> None:
    write = Statement("update datasets set name = 'x'", (), {}, Row)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await reads.rows(write)


async def test_nobody_reads_anything(database: Database) -> None:
    reads = Reads(database, None, Hold())
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="Sign in"):
            await reads.rows(ONE)
    assert reads.failure is None
    await reads.close()


async def test_is_refused_once_for_all_its_statements(
    database: Database, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0
    transaction = database.transaction

    def counted(text: str, hold: Hold) -> Any:
        nonlocal attempts
        attempts += 1
        return transaction(text, hold)

    monkeypatch.setattr(database, "transaction", counted)
    for identity, refusal in (
        (Identity(uuid4(), None), Unauthenticated),
        (person.identity("nowhere"), NotFound),
    ):
        attempts = 0
        reads = Reads(database, identity, Hold())
        found = await asyncio.gather(*(reads.row(ONE) for _ in range(5)), return_exceptions=True)
        assert {type(error) for error in found} == {refusal}
        assert attempts == 1
        assert reads.failure is None
        await reads.close()


async def test_is_unavailable_when_no_connection_is_free(
    narrow: Database, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "ACQUIRE_SECONDS", 0.05)
    async with reading(narrow, person) as first, reading(narrow, person) as second:
        await first.row(ONE)
        for _ in range(3):
            with pytest.raises(Unavailable, match="are taken"):
                await second.row(ONE)
    async with reading(narrow, person) as third:
        assert await third.row(ONE) is not None


async def test_is_unavailable_when_its_connection_is_killed_and_gives_it_back(
    narrow: Database, person: Person, servers: Servers
) -> None:
    reads = Reads(narrow, person.identity(), Hold())
    row = await reads.row(PID)
    assert row
    async with connected(servers.superuser_url) as superuser:
        await superuser.execute("select pg_terminate_backend($1, 5000)", row.pid)
    for _ in range(2):
        with pytest.raises(Unavailable, match="went away"):
            await reads.row(ONE)
    assert isinstance(reads.failure, Unavailable)
    await reads.close()
    async with reading(narrow, person) as after:
        assert await after.row(ONE) is not None


async def test_a_connection_killed_after_the_last_statement_spoils_nothing(
    narrow: Database, person: Person, servers: Servers
) -> None:
    reads = Reads(narrow, person.identity(), Hold())
    row = await reads.row(PID)
    assert row
    async with connected(servers.superuser_url) as superuser:
        await superuser.execute("select pg_terminate_backend($1, 5000)", row.pid)
    await reads.close()
    assert reads.failure is None
    async with reading(narrow, person) as after:
        assert await after.row(ONE) is not None


@pytest.mark.parametrize("ends", ["well", "broken", "cancelled"])
async def test_gives_its_connection_back(narrow: Database, person: Person, ends: str) -> None:
    for _ in range(3):
        reads = Reads(narrow, person.identity(), Hold())
        running = asyncio.create_task(
            reads.rows({"well": ONE, "broken": BROKEN, "cancelled": SLOW}[ends])
        )
        await asyncio.sleep(0.02)
        if ends == "cancelled":
            running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await reads.close()
        await reads.close()


async def test_gives_its_connection_back_even_when_its_closing_is_cancelled(
    narrow: Database, person: Person
) -> None:
    for _ in range(2):
        reads = Reads(narrow, person.identity(), Hold())
        running = asyncio.create_task(reads.rows(SLOW))
        await asyncio.sleep(0.02)
        closing = asyncio.create_task(reads.close())
        await asyncio.sleep(0.02)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        (row,) = await running
        assert row.name == "slow"
    async with asyncio.timeout(5), reading(narrow, person) as after:
        assert await after.row(ONE) is not None


async def test_closing_waits_for_what_runs(reads: Reads) -> None:
    running = asyncio.create_task(reads.rows(SLOW))
    await asyncio.sleep(0)
    await reads.close()
    assert running.done()
    assert reads.failure is None


@pytest.mark.parametrize("before", ["used", "unused"])
async def test_opens_no_second_snapshot_for_who_comes_after_its_end(
    narrow: Database, person: Person, before: str
) -> None:
    reads = Reads(narrow, person.identity(), Hold())
    if before == "used":
        await reads.row(ONE)
    await reads.close()
    with pytest.raises(RuntimeError, match="ended"):
        await reads.row(ONE)
    with pytest.raises(RuntimeError, match="ended"):
        await reads.page(Dataset, Page(1))
    async with asyncio.timeout(5), reading(narrow, person) as after:
        assert await after.row(ONE) is not None


async def test_asks_for_its_scope_once(
    reads: Reads, department_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = await reads.scope()
    assert scope.departments == {department_id}
    assert "dataset:read" in scope.permissions

    def refused(*_: object) -> None:
        pytest.fail("it asked again")

    monkeypatch.setattr(reads, "_run", refused)
    assert await reads.scope() is scope
    assert SCOPE.names == ()


async def test_gives_rows_that_know_their_table_and_no_hidden_column(
    reads: Reads, person: Person
) -> None:
    found = await reads.by_keys(User, [person.id])
    row = found[person.id]
    assert row.model is User
    assert row.email == person.email
    assert "password_hash" not in row


async def test_finds_only_visible_rows_by_key(
    reads: Reads, rows: Rows, department_id: UUID, person: Person
) -> None:
    mine = await rows.dataset(department_id, person.id)
    now = await rows.connection.fetchval("select now()")
    deleted = await rows.dataset(department_id, person.id, deleted_at=now)
    elsewhere = await rows.department()
    theirs = await rows.dataset(elsewhere, (await rows.person(elsewhere)).id)
    keys = [mine.id, deleted.id, theirs.id, uuid4(), mine.id]
    assert set(await reads.by_keys(Dataset, keys)) == {mine.id}
    assert await reads.by_keys(Dataset, []) == {}


async def test_shows_nothing_to_who_may_not_read(
    database: Database, rows: Rows, department_id: UUID
) -> None:
    nobody = await rows.person(department_id, roles=())
    dataset = await rows.dataset(department_id, nobody.id)
    workspace_id = dataset.workspace_id
    async with reading(database, nobody) as reads:
        assert await reads.by_keys(Dataset, [dataset.id]) == {}
        assert (await reads.page(Dataset, Page(5))).rows == []
        assert await reads.count(Dataset, ()) == 0
        children = await reads.children(Dataset, "workspace_id", [workspace_id], Page(5))
        assert children[workspace_id].rows == []
        assert await reads.child_counts(Dataset, "workspace_id", [workspace_id], ()) == {}


async def test_gives_each_parent_its_own_page_and_count_in_one_statement(
    reads: Reads, rows: Rows, department_id: UUID, person: Person
) -> None:
    workspaces = [await rows.workspace(department_id, person.id) for _ in range(4)]
    made: dict[UUID, list[UUID]] = {}
    for number, workspace in enumerate(workspaces):
        made[workspace.id] = [
            (await rows.dataset(department_id, person.id, workspace_id=workspace.id)).id
            for _ in range(number)
        ]
    keys = [workspace.id for workspace in reversed(workspaces)]
    pages = await reads.children(Dataset, "workspace_id", keys, Page(2))
    assert list(pages) == keys
    for key, page in pages.items():
        newest = made[key][::-1]
        assert [row.id for row in page.rows] == newest[:2]
        assert page.has_next is (len(newest) > 2)
        assert page.has_previous is False
    counts = await reads.child_counts(Dataset, "workspace_id", keys, ())
    assert counts == {key: len(ids) for key, ids in made.items() if ids}


async def test_counts_what_a_filter_lets_through(
    reads: Reads, rows: Rows, department_id: UUID, person: Person
) -> None:
    for status in ("validated", "failed", "failed"):
        await rows.dataset(department_id, person.id, status=status)
    failed = (Condition("status", Operator.IN, ["failed"]),)
    assert await reads.count(Dataset, failed) == 2
    assert await reads.count(Dataset, (Condition("status", Operator.IN, ["completed"]),)) == 0
    (workspace,) = (await reads.page(Workspace, Page(5))).rows
    counts = await reads.child_counts(Dataset, "workspace_id", [workspace.id], failed)
    assert counts == {workspace.id: 2}
