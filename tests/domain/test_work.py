from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import func, insert, select, update

from domain.bell import Silence
from domain.catalog.models import Dataset, Workspace
from domain.database import Connection, Hold, Row
from domain.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from domain.identity.models import Department, Session
from domain.jobs.models import EventKind
from domain.permissions import Permission
from domain.reads import SCOPE, Reads
from domain.scope import Identity
from domain.statements import Statement
from domain.work import Work, running, working
from tests.factories.databases import connected

if TYPE_CHECKING:
    from domain.database import Database
    from tests.conftest import Servers
    from tests.factories.rows import Person, Rows

BELL = Silence()


@dataclass
class Place:
    """A department with an editor and a dataset of its."""

    database: Database
    rows: Rows
    department_id: UUID
    person: Person
    dataset: Row

    def work(self, **options: Any) -> contextlib.AbstractAsyncContextManager[Work]:
        return working(self.database, self.person.identity(), options.pop("bell", BELL), **options)

    async def name(self) -> str:
        found: str = await self.rows.connection.fetchval(
            "select name from datasets where id = $1", self.dataset.id
        )
        return found

    async def count(self, table: str) -> int:
        found: int = await self.rows.connection.fetchval(
            f"select count(*) from {table} where department_id = $1",  # noqa: S608
            self.department_id,
        )
        return found

    def renaming(self, name: str) -> Any:
        return update(Dataset).where(Dataset.id == self.dataset.id).values(name=name)


@pytest.fixture
async def place(database: Database, rows: Rows) -> Place:
    department_id = await rows.department()
    person = await rows.person(department_id, roles=("editor",))
    dataset = await rows.dataset(department_id, person.id, name="Before")
    return Place(database, rows, department_id, person, dataset)


@dataclass
class Listening:
    """A bell that notes each ring, and what ``look`` saw at that moment."""

    look: Any = None
    rings: list[tuple[str, Any]] = field(default_factory=list)

    async def _note(self, ring: str) -> None:
        self.rings.append((ring, await self.look() if self.look else None))

    async def work(self, message_id: str | None = None) -> None:
        await self._note(f"work {message_id}")

    async def events(self) -> None:
        await self._note("events")

    async def heard(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def access(self) -> None:
        await self._note("access")

    async def changed(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def test_commits_what_was_required(place: Place) -> None:
    async with place.work() as work:
        work.require(Permission.DATASET_WRITE, place.department_id)
        await work.rows(place.renaming("After"))
    assert await place.name() == "After"


async def test_may_not_commit_when_nothing_was_required(place: Place) -> None:
    async def forgetful() -> None:
        async with place.work() as work:
            await work.rows(place.renaming("After"))

    with pytest.raises(RuntimeError, match="required no permission"):
        await forgetful()
    assert await place.name() == "Before"


async def test_a_requirement_that_was_not_met_allows_nothing(place: Place) -> None:
    async def stubborn() -> None:
        async with place.work() as work:
            with contextlib.suppress(Forbidden):
                work.require(Permission.DATASET_DELETE, place.department_id)
            await work.rows(place.renaming("After"))

    with pytest.raises(RuntimeError, match="required no permission"):
        await stubborn()
    assert await place.name() == "Before"


async def test_tells_apart_what_is_not_seen_and_what_is_not_allowed(
    place: Place, rows: Rows
) -> None:
    elsewhere = await rows.department()
    async with place.work() as work:
        work.own()
        with pytest.raises(Forbidden, match="dataset:delete"):
            work.require(Permission.DATASET_DELETE, place.department_id)
        for unseen in (elsewhere, uuid4()):
            with pytest.raises(NotFound, match=r"There is no such department\."):
                work.require(Permission.DATASET_WRITE, unseen)
            with pytest.raises(NotFound, match=r"There is no such department\."):
                work.require(Permission.DATASET_DELETE, unseen)


async def test_takes_everything_back_at_an_error(place: Place) -> None:
    bell = Listening()

    async def failing(error: BaseException) -> None:
        async with place.work(bell=bell) as work:
            work.require(Permission.DATASET_WRITE, place.department_id)
            await work.once("rename", "key", {})
            await work.rows(place.renaming("After"))
            job = await place.rows.job(place.department_id, place.person.id)
            work.event(job, EventKind.MESSAGE, message="Renamed.")
            work.ring("m1")
            raise error

    for error in (Conflict("No."), ValueError("no"), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            await failing(error)
    assert await place.name() == "Before"
    assert await place.count("job_events") == 0
    assert bell.rings == []
    keys = await place.rows.connection.fetchval(
        "select count(*) from idempotency_keys where user_id = $1", place.person.id
    )
    assert keys == 0


async def test_a_refusal_keeps_its_bookkeeping(place: Place) -> None:
    bell = Listening()

    async def refusing() -> None:
        async with place.work(bell=bell) as work:
            work.require(Permission.DATASET_WRITE, place.department_id)
            await work.rows(place.renaming("Counted"))
            work.ring("m1")
            work.refuse(Conflict("Not now."))
            pytest.fail("it went on")

    with pytest.raises(Conflict, match=r"Not now\."):
        await refusing()
    assert await place.name() == "Counted"
    assert [ring for ring, _ in bell.rings] == ["work m1"]


async def test_a_refusal_keeps_nothing_that_was_not_allowed(place: Place) -> None:
    async def refusing() -> None:
        async with place.work() as work:
            await work.rows(place.renaming("Counted"))
            work.refuse(Conflict("Not now."))

    with pytest.raises(RuntimeError, match="required no permission"):
        await refusing()
    assert await place.name() == "Before"


async def test_an_error_that_is_swallowed_is_not_passed_off_as_done(place: Place) -> None:
    broken = Statement("select 1 / 0", (), {}, Row)

    async def careless() -> None:
        async with place.work() as work:
            work.require(Permission.DATASET_WRITE, place.department_id)
            await work.rows(place.renaming("After"))
            with contextlib.suppress(asyncpg.DivisionByZeroError):
                await work.rows(broken)

    with pytest.raises(RuntimeError, match="nothing of it was committed"):
        await careless()
    assert await place.name() == "Before"


async def test_rings_once_all_is_committed_and_seen_by_others(place: Place) -> None:
    bell = Listening(look=place.name)
    job = await place.rows.job(place.department_id, place.person.id)
    async with place.work(bell=bell) as work:
        work.require(Permission.DATASET_WRITE, place.department_id)
        await work.rows(place.renaming("After"))
        work.ring("m1")
        work.event(job, EventKind.MESSAGE, message="Renamed.")
        work.event(job, EventKind.MESSAGE, message="Still renamed.")
        work.ring()
        assert bell.rings == []
    assert bell.rings == [("events", "After"), ("work m1", "After"), ("work None", "After")]


async def test_writes_its_events_last_and_in_order(place: Place, rows: Rows) -> None:
    job = await rows.job(place.department_id, place.person.id)
    other_department = await rows.department()
    other = await rows.person(other_department, roles=("editor",))
    others = await rows.job(other_department, other.id)
    async with place.work() as work:
        work.require(Permission.DATASET_WRITE, place.department_id)
        work.event(job, EventKind.STATUS, status="queued", progress=0, message="first")
        work.event(job, EventKind.STEP, progress=5, step="Reading", message="second")
        await work.rows(place.renaming("After"))
        # Whoever writes events meanwhile does not wait: the log is locked for the commit alone.
        async with asyncio.timeout(5), working(place.database, other.identity(), BELL) as beside:
            beside.require(Permission.DATASET_WRITE, other_department)
            beside.event(others, EventKind.MESSAGE, message="beside")
    found = await rows.connection.fetch(
        "select message, kind, status, progress, step from job_events "
        "where job_id = any ($1) order by id",
        [job.id, others.id],
    )
    assert [tuple(row) for row in found] == [
        ("beside", "message", None, None, None),
        ("first", "status", "queued", 0, None),
        ("second", "step", None, 5, "Reading"),
    ]


async def test_an_idempotency_key_gives_what_was_made_before(place: Place) -> None:
    made = uuid4()

    async def create(key: str | None, given: dict[str, Any], operation: str = "create") -> Any:
        async with place.work() as work:
            work.own()
            before = await work.once(operation, key, given)
            if before is None:
                await work.made(key, made)
            return before

    given = {"name": "x", "at": [1, None], "department": place.department_id}
    assert await create("k", given) is None
    assert await create("k", dict(reversed(given.items()))) == made
    assert await create("k2", given) is None
    assert await create(None, given) is None
    assert await create(None, given) is None
    with pytest.raises(Conflict, match="another input"):
        await create("k", {**given, "name": "y"})
    with pytest.raises(Conflict, match="another input"):
        await create("k", given, "destroy")
    assert await create("k", given) == made


async def test_two_users_may_choose_the_same_key(place: Place, rows: Rows) -> None:
    other = await rows.person(place.department_id)
    made = uuid4()
    async with place.work() as work:
        work.own()
        assert await work.once("create", "k", {}) is None
        await work.made("k", made)
    async with working(place.database, other.identity(), BELL) as work:
        work.own()
        assert await work.once("create", "k", {}) is None
        await work.made("k", uuid4())
    async with place.work() as work:
        work.own()
        assert await work.once("create", "k", {}) == made


@pytest.mark.parametrize("key", ["", "k" * 201, "a\0b"])
async def test_refuses_what_can_be_no_key(place: Place, key: str) -> None:
    async with place.work() as work:
        work.own()
        with pytest.raises(InvalidInput) as refusal:
            await work.once("create", key, {})
        assert await work.once("create", "k" * 200, {}) is None
    assert refusal.value.fields[0].path == ("idempotencyKey",)


@pytest.mark.parametrize("first_ends", ["well", "badly"])
async def test_twins_wait_for_each_other_and_make_one_thing(place: Place, first_ends: str) -> None:
    proceed = asyncio.Event()
    taken = asyncio.Event()
    made = uuid4()

    async def first() -> None:
        async with place.work() as work:
            work.own()
            assert await work.once("create", "k", {}) is None
            taken.set()
            await proceed.wait()
            await work.made("k", made)
            if first_ends == "badly":
                raise Conflict("No.")

    async def second() -> UUID | None:
        await taken.wait()
        async with place.work() as work:
            work.own()
            return await work.once("create", "k", {})

    leading, following = asyncio.create_task(first()), asyncio.create_task(second())
    await taken.wait()
    await asyncio.sleep(0.1)
    assert not following.done()
    proceed.set()
    await asyncio.gather(leading, return_exceptions=True)
    assert await following == (made if first_ends == "well" else None)


async def test_many_twins_make_one_thing(place: Place) -> None:
    async def create() -> UUID:
        async with place.work() as work:
            work.own()
            before = await work.once("create", "k", {})
            if before is not None:
                return before
            key = await work.new_id()
            await work.rows(
                insert(Workspace).values(
                    id=key,
                    department_id=place.department_id,
                    name="Made once",
                    owner_id=work.user_id,
                )
            )
            await work.made("k", key)
            return key

    before = await place.count("workspaces")
    found = await asyncio.gather(*(create() for _ in range(8)))
    assert len(set(found)) == 1
    assert await place.count("workspaces") == before + 1


async def test_public_work_is_nobodys_until_it_becomes_somebodys(place: Place) -> None:
    async with working(place.database, None, BELL) as work:
        work.public()
        with pytest.raises(Unauthenticated):
            _ = work.user_id
        mine = select(func.count().label("count")).select_from(Session)
        (before,) = await work.rows(mine)
        await work.become(place.person.id)
        (after,) = await work.rows(mine)
        (datasets,) = await work.rows(select(func.count().label("count")).select_from(Dataset))
        assert work.user_id == place.person.id
    assert (before["count"], after["count"], datasets["count"]) == (0, 1, 0)


async def test_nobodys_work_is_not_cleared_by_calling_it_ones_own(database: Database) -> None:
    async def anonymous() -> None:
        async with working(database, None, BELL) as work:
            work.own()

    with pytest.raises(RuntimeError, match="required no permission"):
        await anonymous()


async def test_widens_to_a_department_that_it_makes(place: Place, rows: Rows) -> None:
    manager = await rows.person(place.department_id)
    async with working(place.database, manager.identity(), BELL) as work:
        work.require(Permission.DEPARTMENT_WRITE, place.department_id)
        key = await work.new_id()
        await work.widen(key)
        await work.rows(
            insert(Department).values(
                id=key, code=f"d{key.hex}", name="New", parent_id=place.department_id
            )
        )
        work.require(Permission.WORKSPACE_WRITE, key)
        (default,) = await work.rows(
            select(Workspace.__table__).where(Workspace.department_id == key), Workspace
        )
    assert (default.name, default.owner_id, default.is_default) == ("New", manager.id, True)


async def test_is_refused_where_the_account_or_the_department_is(place: Place) -> None:
    for identity, refusal in (
        (Identity(uuid4(), None), Unauthenticated),
        (Identity(place.person.id, uuid4()), Unauthenticated),
        (place.person.identity("nowhere"), NotFound),
    ):
        with pytest.raises(refusal):
            async with working(place.database, identity, BELL):
                pytest.fail("it opened")


async def test_acts_in_the_narrowed_scope_alone(place: Place, rows: Rows) -> None:
    below = await rows.department(place.department_id)
    async with working(place.database, place.person.identity(str(below)), BELL) as work:
        work.require(Permission.DATASET_WRITE, below)
        with pytest.raises(NotFound):
            work.require(Permission.DATASET_WRITE, place.department_id)
        assert await work.rows(place.renaming("After").returning(Dataset.id)) == []
    assert await place.name() == "Before"


async def test_gives_a_rule_of_the_database_as_the_error_that_it_means(place: Place) -> None:
    back = update(Dataset).where(Dataset.id == place.dataset.id).values(status="uploading")

    async def against_the_rule() -> None:
        async with place.work() as work:
            work.require(Permission.DATASET_WRITE, place.department_id)
            await work.rows(back)

    with pytest.raises(Conflict, match="can't go from validated to uploading"):
        await against_the_rule()


async def test_is_unavailable_when_its_connection_is_killed(place: Place, servers: Servers) -> None:
    pid = Statement("select pg_backend_pid() as pid", (), {}, Row)

    async def dying() -> None:
        async with place.work() as work:
            work.require(Permission.DATASET_WRITE, place.department_id)
            await work.rows(place.renaming("After"))
            row = await work.row(pid)
            assert row
            async with connected(servers.superuser_url) as superuser:
                await superuser.execute("select pg_terminate_backend($1, 5000)", row.pid)
            await work.rows(pid)

    with pytest.raises(Unavailable, match="went away"):
        await dying()
    assert await place.name() == "Before"


async def test_does_not_open_beside_a_snapshot_of_its_operation(place: Place) -> None:
    hold = Hold()
    reads = Reads(place.database, place.person.identity(), hold)
    await reads.scope()
    with pytest.raises(AssertionError, match="never holds two connections"):
        async with place.work(hold=hold):
            pytest.fail("it opened")
    await reads.close()
    async with place.work(hold=hold) as work:
        work.own()


async def test_makes_ids_that_sort_by_time(place: Place) -> None:
    async with place.work() as work:
        work.own()
        found = [await work.new_id() for _ in range(5)]
    assert found == sorted(set(found))
    assert {key.version for key in found} == {7}


async def test_the_protocol_of_jobs_works_inside_one_department(place: Place, rows: Rows) -> None:
    below = await rows.department(place.department_id)
    elsewhere = await rows.dataset(below, place.person.id, name="Before")
    async with running(place.database, place.department_id, place.person.id, BELL) as work:
        both = update(Dataset).where(Dataset.name == "Before").values(name="After")
        changed = await work.rows(both.returning(Dataset.id))
        assert work.user_id == place.person.id
        with pytest.raises(Forbidden):
            work.require(Permission.DATASET_WRITE, place.department_id)
    assert [row.id for row in changed] == [place.dataset.id]
    name = await rows.connection.fetchval("select name from datasets where id = $1", elsewhere.id)
    assert name == "Before"


async def test_a_connection_that_goes_before_the_scope_is_read_is_unavailable(
    database: Database, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await rows.person(await rows.department())
    fetch = Connection.fetch

    async def gone(self: Any, query: str, *args: Any, **options: Any) -> Any:
        if query == SCOPE.text:
            raise asyncpg.ConnectionDoesNotExistError
        return await fetch(self, query, *args, **options)

    monkeypatch.setattr(Connection, "fetch", gone)

    async def begin() -> None:
        async with working(database, person.identity(), Silence()):
            pass

    with pytest.raises(Unavailable):
        await begin()
