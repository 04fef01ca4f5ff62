from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from domain import paging
from domain import reads as reads_module
from domain.catalog.models import Dataset, Workspace
from domain.database import Database, Hold
from domain.filters import Condition, Operator
from domain.identity.models import Department, Role, User
from domain.paging import MERGED_DEPARTMENTS, NEWEST, Order, Page, cursor_of, decoded_cursor
from domain.reads import Reads
from tests.factories.databases import connected
from tests.factories.rows import Rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from domain.database import Row
    from domain.models import Base
    from domain.paging import Rows as PageOf
    from domain.settings import Settings
    from tests.factories.rows import Person

ORDERS = [
    Order(column, descending=way) for column in ("created_at", "name") for way in (True, False)
]
START = datetime(2026, 1, 1, tzinfo=UTC)
SEEDED_ROLES = {"admin", "editor", "manager", "technician", "viewer"}
FAILED = (Condition("status", Operator.IN, ["failed"]),)


@dataclass(frozen=True)
class Library:
    """Datasets in three departments, many of them alike, and who sees them all."""

    person: Person
    workspaces: tuple[UUID, ...]
    datasets: tuple[Row, ...]


@pytest.fixture(scope="module")
def library(settings: Settings) -> Library:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()

    async def make() -> Library:
        async with connected(url) as connection:
            rows = Rows(connection)
            top = await rows.department()
            departments = [top, await rows.department(top), await rows.department(top)]
            person = await rows.person(top)
            workspaces = [(await rows.workspace(d, person.id)).id for d in departments]
            made = []
            for number in range(36):
                place = number % 3
                made.append(
                    await rows.dataset(
                        departments[place],
                        person.id,
                        workspace_id=workspaces[place],
                        # Ties everywhere: four moments, five names.
                        created_at=START + timedelta(microseconds=number % 4),
                        name="abcde"[number * 7 % 5],
                        status="failed" if number % 5 == 0 else "validated",
                    )
                )
            return Library(person, tuple(workspaces), tuple(made))

    return asyncio.run(make())


@asynccontextmanager
async def reading(database: Database, person: Person) -> AsyncIterator[Reads]:
    reads = Reads(database, person.identity(), Hold())
    try:
        yield reads
    finally:
        await reads.close()


@pytest.fixture
async def reads(database: Database, library: Library) -> AsyncIterator[Reads]:
    async with reading(database, library.person) as opened:
        yield opened


def place(row: Row, order: Order) -> tuple[Any, UUID]:
    return row[order.column], row.id


def expected(found: Sequence[Row], page: Page) -> tuple[list[UUID], bool, bool]:
    """What a page of these rows holds, by sorting all of them, and what lies around it."""
    wanted = [row for row in found if not page.conditions or row.status == "failed"]
    order = page.order
    ordered = sorted(wanted, key=lambda row: place(row, order), reverse=order.descending)
    for text, is_after in ((page.after, True), (page.before, False)):
        if text is not None:
            limit = decoded_cursor(text, order, Dataset, "after")
            # Behind the cursor lies what is smaller where the order descends.
            smaller = is_after is order.descending
            ordered = [
                row
                for row in ordered
                if (place(row, order) < limit if smaller else place(row, order) > limit)
            ]
    more = len(ordered) > page.size
    if page.backward:
        ids = [row.id for row in ordered][::-1][: page.size][::-1]
        return ids, page.before is not None, more
    return [row.id for row in ordered][: page.size], more, page.after is not None


def shown(page: PageOf) -> tuple[list[UUID], bool, bool]:
    return [row.id for row in page.rows], page.has_next, page.has_previous


@st.composite
def pages(draw: st.DrawFn) -> tuple[int, int, bool, int | None, int | None, bool]:
    """Which order, size, direction, and the rows whose cursors bound it, and whether filtered."""
    bound = st.none() | st.integers(0, 35)
    return (
        draw(st.integers(0, len(ORDERS) - 1)),
        draw(st.integers(0, 40)),
        draw(st.booleans()),
        draw(bound),
        draw(bound),
        draw(st.booleans()),
    )


@given(asked=pages())
@example(asked=(0, 0, False, None, None, False))
@hypothesis_settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_gives_exactly_what_sorting_everything_would(
    reads: Reads, library: Library, asked: tuple[int, int, bool, int | None, int | None, bool]
) -> None:
    number, size, backward, after, before, filtered = asked
    order = ORDERS[number]
    every = library.datasets
    page = Page(
        size,
        backward,
        None if after is None else cursor_of(every[after], order),
        None if before is None else cursor_of(every[before], order),
        order,
        FAILED if filtered else (),
    )
    assert shown(await reads.page(Dataset, page)) == expected(every, page)
    children = await reads.children(Dataset, "workspace_id", library.workspaces, page)
    for workspace_id, found in children.items():
        inside = [row for row in every if row.workspace_id == workspace_id]
        assert shown(found) == expected(inside, page)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize("backward", ["forward", "backward"])
async def test_walks_the_whole_list_and_meets_each_row_once(
    reads: Reads, library: Library, order: Order, backward: str
) -> None:
    met: list[UUID] = []
    cursor: str | None = None
    while True:
        if backward == "backward":
            page = await reads.page(Dataset, Page(7, backward=True, before=cursor, order=order))
            met = [row.id for row in page.rows] + met
            more, edge = page.has_previous, page.rows[0]
        else:
            page = await reads.page(Dataset, Page(7, after=cursor, order=order))
            met += [row.id for row in page.rows]
            more, edge = page.has_next, page.rows[-1]
        cursor = cursor_of(edge, order)
        if not more:
            break
    ordered = sorted(library.datasets, key=lambda row: place(row, order), reverse=order.descending)
    assert met == [row.id for row in ordered]


async def test_goes_on_from_a_row_that_is_gone(database: Database, rows: Rows) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    made = [
        await rows.dataset(department_id, person.id, created_at=START + timedelta(seconds=number))
        for number in range(4)
    ]
    cursor = cursor_of(made[2], NEWEST)
    await rows.connection.execute(
        "update datasets set deleted_at = now() where id = $1", made[2].id
    )
    async with reading(database, person) as reads:
        page = await reads.page(Dataset, Page(10, after=cursor))
    assert [row.id for row in page.rows] == [made[1].id, made[0].id]


@dataclass(frozen=True)
class Forest:
    """More departments than are merged, a workspace or two in each."""

    person: Person
    workspaces: tuple[Row, ...]


@pytest.fixture(scope="module")
def forest(settings: Settings) -> Forest:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()

    async def make() -> Forest:
        async with connected(url) as connection:
            rows = Rows(connection)
            top = await rows.department()
            person = await rows.person(top)
            made = []
            for number in range(MERGED_DEPARTMENTS + 6):
                department_id = await rows.department(top)
                made.append(
                    await rows.workspace(
                        department_id, person.id, created_at=START + timedelta(days=number // 9)
                    )
                )
            return Forest(person, tuple(made))

    return asyncio.run(make())


@pytest.mark.parametrize("merged_up_to", [MERGED_DEPARTMENTS, 1000, 0])
async def test_merging_departments_and_walking_the_time_index_give_the_same(
    database: Database, forest: Forest, monkeypatch: pytest.MonkeyPatch, merged_up_to: int
) -> None:
    monkeypatch.setattr(reads_module, "MERGED_DEPARTMENTS", merged_up_to)
    ordered = sorted(forest.workspaces, key=lambda row: place(row, NEWEST), reverse=True)
    async with reading(database, forest.person) as reads:
        first = await reads.page(Workspace, Page(20))
        assert [row.id for row in first.rows] == [row.id for row in ordered[:20]]
        after = cursor_of(first.rows[-1], NEWEST)
        second = await reads.page(Workspace, Page(20, after=after))
        assert [row.id for row in second.rows] == [row.id for row in ordered[20:40]]
        last = await reads.page(Workspace, Page(5, backward=True))
        assert [row.id for row in last.rows] == [row.id for row in ordered[-5:]]
        assert await reads.count(Workspace, ()) == len(ordered)


async def test_merges_up_to_64_departments_and_walks_above(
    database: Database, forest: Forest, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    scoped = paging.scoped

    def noted(model: type[Base], shape: Any, columns: Any, *, merged: bool) -> Any:
        chosen.append(merged)
        return scoped(model, shape, columns, merged=merged)

    monkeypatch.setattr(paging, "scoped", noted)
    for person in (forest.person, library.person):
        async with reading(database, person) as reads:
            await reads.page(Workspace, Page(1))
    assert chosen == [False, True]
    assert MERGED_DEPARTMENTS == 64


async def test_pages_what_has_no_department(reads: Reads, library: Library) -> None:
    by_name = Order("name", descending=False)
    roles = await reads.page(Role, Page(2, order=by_name))
    following = await reads.page(
        Role, Page(90, after=cursor_of(roles.rows[-1], by_name), order=by_name)
    )
    names = [row.name for row in (*roles.rows, *following.rows)]
    assert len(roles.rows) == 2
    assert names == sorted(set(names))
    assert set(names) >= SEEDED_ROLES
    users = await reads.page(User, Page(10))
    assert [row.id for row in users.rows] == [library.person.id]
    departments = await reads.page(Department, Page(10))
    assert len(departments.rows) == await reads.count(Department, ()) == 3


async def test_counts_the_list_and_not_the_page(reads: Reads) -> None:
    assert await reads.count(Dataset, ()) == 36
    assert await reads.count(Dataset, FAILED) == 8
    assert (await reads.page(Dataset, Page(0))).rows == []
    assert (await reads.page(Dataset, Page(0))).has_next


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (Condition("name", Operator.CONTAINS, "A"), "a"),
        (Condition("name", Operator.CONTAINS, "%"), ""),
        (Condition("name", Operator.CONTAINS, "_"), ""),
        (Condition("name", Operator.CONTAINS, "\\"), ""),
        (Condition("name", Operator.CONTAINS, "'"), ""),
        (Condition("name", Operator.CONTAINS, ""), "abcde"),
        (Condition("name", Operator.IN, ["a", "e", "x"]), "ae"),
        (Condition("name", Operator.IN, []), ""),
        (Condition("name", Operator.IS, "c"), "c"),
        (Condition("created_at", Operator.FROM, START + timedelta(microseconds=4)), ""),
        (Condition("created_at", Operator.FROM, START), "abcde"),
        (Condition("created_at", Operator.BEFORE, START), ""),
    ],
    ids=str,
)
async def test_filters(reads: Reads, condition: Condition, found: str) -> None:
    page = await reads.page(Dataset, Page(100, conditions=(condition,)))
    assert "".join(sorted({row.name for row in page.rows})) == found
    assert await reads.count(Dataset, (condition,)) == len(page.rows)


async def test_writes_only_plain_words_of_a_filter_into_the_text(
    reads: Reads, library: Library
) -> None:
    texts = {}
    for words in (["failed", "validated"], ["validated", "failed", "failed"], ["failed"]):
        page = Page(100, conditions=(Condition("status", Operator.IN, words),))
        statement = paging.scoped(Dataset, page.shape(Dataset), merged=True)
        texts[tuple(words)] = statement
        assert "'failed'" in statement.text
        found = await reads.page(Dataset, page)
        assert {row.status for row in found.rows} == set(words)
        assert len({row.id for row in found.rows}) == len(found.rows)
    assert len(set(texts.values())) == 2
    for word in ("failed' or true --", "Failed", ""):
        page = Page(100, conditions=(Condition("status", Operator.IN, [word, "failed"]),))
        statement = paging.scoped(Dataset, page.shape(Dataset), merged=True)
        assert "'failed'" not in statement.text
        found = await reads.page(Dataset, page)
        assert {row.status for row in found.rows} == {"failed"}
    assert len(library.datasets) == 36


def test_one_text_serves_all_values_of_a_filter() -> None:
    first = Page(1, conditions=(Condition("name", Operator.IN, ["a"]),))
    second = Page(9, conditions=(Condition("name", Operator.IN, ["b", "c"]),))
    build = paging.scoped
    assert build(Dataset, first.shape(), merged=True) is build(Dataset, second.shape(), merged=True)
    assert first.identity() != second.identity()


async def test_a_cursor_tells_and_opens_nothing_of_another_department(
    rows: Rows, reads: Reads, library: Library
) -> None:
    elsewhere = await rows.department()
    stranger = await rows.person(elsewhere)
    theirs = await rows.dataset(elsewhere, stranger.id, created_at=START)
    places = [{"id": str(uuid4()), "created_at": START}, theirs]
    found = [
        shown(await reads.page(Dataset, Page(100, after=cursor_of(place, NEWEST))))  # type: ignore[arg-type]
        for place in places
    ]
    own = {row.id for row in library.datasets}
    for ids, has_next, has_previous in found:
        assert set(ids) <= own
        assert (has_next, has_previous) == (False, True)
