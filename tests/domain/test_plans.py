"""How the database answers pages of large tables, row-level security and filters and all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from domain import paging
from domain.catalog.models import Dataset, Upload
from domain.filters import Condition, Operator
from domain.jobs import reads as jobs_reads
from domain.jobs.models import Job, JobAttempt, Result
from domain.paging import NEWEST, Order, Page, cursor_of
from tests.factories.databases import connected
from tests.factories.fixtures import own_database
from tests.factories.plans import cost, nodes, plan
from tests.factories.rows import Rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from domain.models import Base
    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Person

START = datetime(2026, 1, 1, tzinfo=UTC)
MANY = 20_000
DEPARTMENTS = 40
SIZE = 20

FILL = """
with spread as (
    select n, ($1::uuid[])[1 + n % cardinality($1)] as department_id,
           ($2::uuid[])[1 + n % cardinality($1)] as workspace_id,
           timestamptz '2026-01-01' + make_interval(secs => n) as created_at
    from generate_series(1, $4::int) n
), dataset as (
    insert into datasets (department_id, workspace_id, uploader_id, name, file_type, content_type,
                          s3_bucket, file_size_bytes, status, created_at)
    select department_id, workspace_id, $3, 'Dataset ' || n % 997, 'csv', 'text/csv', 'b', n,
           case when n % 50 = 0 then 'failed' else 'completed' end, created_at
    from spread returning id, department_id, uploader_id, created_at
), job as (
    insert into jobs (department_id, dataset_id, created_by, job_type, status, completed_at,
                      created_at)
    select department_id, id, uploader_id, 'etl', 'succeeded', created_at, created_at
    from dataset returning id, department_id, dataset_id, created_at
), upload as (
    insert into uploads (department_id, dataset_id, owner_id, file_name, s3_key, file_type,
                         content_type, file_size_bytes, part_size_bytes, status, expires_at,
                         created_at)
    select department_id, id, uploader_id, 'f', 'k', 'csv', 'text/csv', 1, 1, 'completed',
           created_at, created_at
    from dataset
), attempt as (
    insert into job_attempts (department_id, job_id, attempt, lease_token, worker, created_at)
    select department_id, id, 1, 1, 'w', created_at from job
), event as (
    insert into job_events (department_id, job_id, dataset_id, kind, created_at)
    select department_id, id, dataset_id, 'message', created_at from job
)
insert into results (department_id, dataset_id, job_id, result_type, payload, created_at)
select department_id, dataset_id, id, 'etl_summary', '{}', created_at from job
"""


@pytest.fixture(scope="module")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """A database of its own, so that nobody else's tests read through these rows."""
    yield from own_database(servers, process_number, settings, "plans")


@dataclass(frozen=True)
class Archive:
    """Many rows in many departments, few in one; people of one, of all, and of more than merge."""

    of_few: Person
    of_one: Person
    of_all: Person
    keys: Mapping[str, list[UUID]]


@pytest.fixture(scope="module")
def archive(settings: Settings) -> Archive:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()

    async def fill(rows: Rows, departments: list[UUID], uploader: UUID, number: int) -> None:
        workspaces = [(await rows.workspace(d, uploader)).id for d in departments]
        await rows.connection.execute(FILL, departments, workspaces, uploader, number)

    async def make() -> Archive:
        async with connected(url) as connection:
            rows = Rows(connection)
            top = await rows.department()
            departments = [await rows.department(top) for _ in range(DEPARTMENTS)]
            small = await rows.department(top)
            of_all = await rows.person(top)
            await fill(rows, departments, of_all.id, MANY)
            await fill(rows, [small], of_all.id, SIZE)
            await connection.execute("vacuum analyze")
            keys = {}
            for table in ("workspaces", "datasets", "jobs"):
                found = await connection.fetch(
                    f"select id from {table} where department_id = any ($1) "  # noqa: S608
                    "order by created_at desc limit 20",
                    departments,
                )
                keys[table] = [row.id for row in found]
            return Archive(
                await rows.person(small), await rows.person(departments[7]), of_all, keys
            )

    return asyncio.run(make())


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Any]:
    async with connected(settings.database_url.get_secret_value()) as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        yield connection


MIDDLE = START + timedelta(seconds=MANY // 2)
LAST = START + timedelta(seconds=SIZE // 2)


def at(moment: datetime) -> str:
    """A cursor at a moment, of the order by time."""
    row: Any = {"id": UUID(int=0), "created_at": moment}
    return cursor_of(row, NEWEST)


BY_NAME = Order("name", descending=False)
PAGES: list[tuple[str, type[Base], Page]] = [
    *((f"newest {m.__tablename__}", m, Page(SIZE)) for m in (Dataset, Job, Result, Upload)),
    *(
        (f"{m.__tablename__} in the middle", m, Page(SIZE, after=at(MIDDLE)))
        for m in (Dataset, Job, Result, Upload)
    ),
    ("last datasets", Dataset, Page(SIZE, after=at(LAST))),
    ("oldest datasets", Dataset, Page(SIZE, backward=True)),
    ("datasets before the middle", Dataset, Page(SIZE, backward=True, before=at(MIDDLE))),
    ("datasets by name", Dataset, Page(SIZE, order=BY_NAME)),
    ("attempts", JobAttempt, Page(SIZE)),
]


@pytest.mark.parametrize(("model", "page"), [p[1:] for p in PAGES], ids=[p[0] for p in PAGES])
async def test_reads_of_each_department_no_more_than_a_page(
    app: Any, archive: Archive, model: type[Base], page: Page
) -> None:
    statement = paging.scoped(model, page.shape(), merged=True)
    for person, departments in (
        (archive.of_few, 1),
        (archive.of_one, 1),
        (archive.of_all, DEPARTMENTS + 2),
    ):
        found = await plan(app, person.identity(), statement, page.arguments(model))
        assert cost(found) <= departments * (SIZE + 1)


async def test_walks_the_time_index_over_very_many_departments(app: Any, archive: Archive) -> None:
    for model in (Dataset, Job, Result):
        for page in (Page(SIZE), Page(SIZE, after=at(MIDDLE))):
            statement = paging.scoped(model, page.shape(), merged=False)
            found = await plan(app, archive.of_all.identity(), statement, page.arguments(model))
            assert cost(found) <= SIZE + 1
            assert not [n for n in nodes(found) if "Sort" in n["Node Type"]]


@pytest.mark.parametrize(
    ("model", "parent", "table"),
    [
        (Dataset, "workspace_id", "workspaces"),
        (Upload, "dataset_id", "datasets"),
        (Job, "dataset_id", "datasets"),
        (Result, "dataset_id", "datasets"),
        (Result, "job_id", "jobs"),
        (JobAttempt, "job_id", "jobs"),
    ],
)
async def test_reads_of_each_parent_no_more_than_a_page(
    app: Any, archive: Archive, model: type[Base], parent: str, table: str
) -> None:
    keys = archive.keys[table]
    for page in (Page(SIZE), Page(SIZE, after=at(MIDDLE)), Page(SIZE, backward=True)):
        statement = paging.children(model, parent, page.shape())
        arguments = {**page.arguments(model), "keys": keys}
        found = await plan(app, archive.of_all.identity(), statement, arguments)
        assert cost(found) <= len(keys) * (SIZE + 1)


@pytest.mark.parametrize("model", [Dataset, Job])
async def test_reads_by_key_what_was_asked_for(
    app: Any, archive: Archive, model: type[Base]
) -> None:
    keys = archive.keys[model.__tablename__]
    found = await plan(app, archive.of_all.identity(), paging.by_keys(model), {"keys": keys})
    assert found["Actual Rows"] == len(keys)
    assert cost(found) <= 2 * len(keys)


async def test_counts_children_by_their_parents_index(app: Any, archive: Archive) -> None:
    keys = archive.keys["datasets"]
    statement = paging.child_counts(Job, "dataset_id", ())
    found = await plan(app, archive.of_all.identity(), statement, {"keys": keys})
    assert cost(found) <= 2 * len(keys)


async def test_finds_the_rare_by_the_index_of_statuses(app: Any, archive: Archive) -> None:
    rare = (Condition("status", Operator.IN, ["uploading"]),)
    page = Page(SIZE, conditions=rare)
    statement = paging.scoped(Dataset, page.shape(Dataset), merged=True)
    found = await plan(app, archive.of_one.identity(), statement, page.arguments(Dataset))
    assert cost(found) <= 2 * (SIZE + 1)


@pytest.mark.parametrize("topic", ["scope", "dataset_id", "job_id"])
@pytest.mark.parametrize("after", [0, MANY - 200])
async def test_follows_the_log_by_the_index_of_what_is_followed(
    app: Any, archive: Archive, topic: str, after: int
) -> None:
    key = archive.keys["datasets" if topic == "dataset_id" else "jobs"][0]
    arguments = {"key": key, "after": after, "size": SIZE}
    for person, departments in ((archive.of_few, 1), (archive.of_all, DEPARTMENTS + 2)):
        found = await plan(app, person.identity(), jobs_reads._events(topic), arguments)
        assert cost(found) <= departments * SIZE
        found = await plan(app, person.identity(), jobs_reads._high_water(topic), {"key": key})
        assert cost(found) <= departments


async def test_finds_the_active_jobs_among_all(app: Any, archive: Archive) -> None:
    page = Page(SIZE, conditions=jobs_reads.ACTIVE)
    for merged in (True, False):
        statement = paging.scoped(Job, page.shape(Job, leading=True), merged=merged)
        found = await plan(app, archive.of_all.identity(), statement, page.arguments(Job))
        assert cost(found) == 0


async def test_notices_a_page_that_goes_through_a_table(app: Any, archive: Archive) -> None:
    """What the tests above would find without the indexes."""
    page = Page(SIZE)
    statement = paging.scoped(Dataset, page.shape(), merged=True)
    await app.execute("set enable_indexscan = off; set enable_bitmapscan = off")
    with pytest.raises(AssertionError, match="Seq Scan"):
        cost(await plan(app, archive.of_one.identity(), statement, page.arguments(Dataset)))
    await app.execute("set enable_bitmapscan = on")
    found = await plan(app, archive.of_one.identity(), statement, page.arguments(Dataset))
    assert cost(found) > SIZE + 1
