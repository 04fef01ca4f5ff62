"""How the database answers what dashboards ask, among tens of thousands of jobs and results."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain import paging
from domain.bootstrap import bootstrap
from domain.filters import Condition, Operator, given, weighed
from domain.jobs.models import Job, Result
from domain.paging import Order, Page
from domain.scope import Identity
from ops.bench.population import populate
from tests.factories.databases import connected
from tests.factories.fixtures import own_database
from tests.factories.plans import cost, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from domain.models import Base
    from domain.settings import Settings
    from tests.conftest import Servers

DATASETS = 10_000
UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
PLACES = 9
"""The departments that there are: the company, three below it, and the five of the population."""

SIZE = 20


@pytest.fixture(scope="module")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    for own in own_database(servers, process_number, settings, "dashboards"):
        assert own.owner_database_url is not None
        owner_url = own.owner_database_url.get_secret_value()
        asyncio.run(bootstrap(owner_url, "a password"))
        asyncio.run(populate(owner_url, DATASETS, UNTIL))
        yield own


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Any]:
    async with connected(settings.database_url.get_secret_value()) as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        yield connection


@pytest.fixture(params=["admin", "sales", "finance"])
async def identity(request: pytest.FixtureRequest, owner: Any) -> Identity:
    email = f"{request.param}@aetherflow.local"
    return Identity(await owner.fetchval("select id from users where email = $1", email), None)


async def departments(owner: Any) -> list[Any]:
    return [row.id for row in await owner.fetch("select id from departments")]


def status(*words: str) -> Condition:
    return Condition("status", Operator.IN, list(words))


def reason(*words: str) -> Condition:
    return Condition("error_code", Operator.IN, list(words))


def kind(*words: str) -> Condition:
    return Condition("result_type", Operator.IN, list(words))


ENDED = Order("completed_at")
LATELY = Condition("completed_at", Operator.FROM, UNTIL - timedelta(days=7))
LATE = Condition("created_at", Operator.FROM, UNTIL - timedelta(days=7))

PAGES: list[tuple[str, type[Base], Page]] = [
    ("active", Job, Page(SIZE, conditions=(status("queued", "processing"),))),
    ("failed", Job, Page(SIZE, conditions=(status("failed"),))),
    ("ended", Job, Page(SIZE, order=ENDED)),
    ("failed last", Job, Page(SIZE, order=ENDED, conditions=(status("failed"),))),
    ("failed lately", Job, Page(SIZE, order=ENDED, conditions=(status("failed"), LATELY))),
    ("failed so", Job, Page(SIZE, order=ENDED, conditions=(status("failed"), reason("INTERNAL")))),
    ("failed never so", Job, Page(SIZE, order=ENDED, conditions=(reason("NEVER", "INTERNAL"),))),
    ("results", Result, Page(SIZE, conditions=(kind("department_insight"),))),
    ("rare results", Result, Page(SIZE, conditions=(kind("never", "nor_this"),))),
    ("late results", Result, Page(SIZE, conditions=(kind("etl_summary"), LATE))),
]


@pytest.fixture(params=[p[1:] for p in PAGES], ids=[p[0] for p in PAGES])
def asked(request: pytest.FixtureRequest) -> tuple[type[Base], Page]:
    model, page = request.param
    complete = (*page.conditions, *given(model, page.order))
    return model, Page(page.size, order=page.order, conditions=complete)


def most(page: Page) -> int:
    """As many rows as a page of each department and value of its leading filter has."""
    values = max([1, *(len(c.value) for c in page.conditions if c.operator is Operator.IN)])
    return PLACES * values * (SIZE + 1)


async def test_lists_over_the_scope_read_no_more_than_pages(
    app: Any, identity: Identity, asked: tuple[type[Base], Page]
) -> None:
    model, page = asked
    statement = paging.scoped(model, page.shape(model, leading=True), merged=True)
    assert cost(await plan(app, identity, statement, page.arguments(model))) <= most(page)


async def test_lists_of_each_department_read_no_more_than_pages(
    app: Any, owner: Any, identity: Identity, asked: tuple[type[Base], Page]
) -> None:
    model, page = asked
    statement = paging.children(model, "department_id", page.shape(model, leading=True))
    arguments = {**page.arguments(model), "keys": await departments(owner)}
    assert cost(await plan(app, identity, statement, arguments)) <= most(page)


@pytest.mark.parametrize(
    "conditions",
    [(status("queued", "processing"),), (status("failed"),), (status("failed"), LATELY)],
    ids=["active", "failed", "failed lately"],
)
async def test_counts_read_no_more_than_they_count(
    app: Any, owner: Any, identity: Identity, conditions: tuple[Condition, ...]
) -> None:
    chosen = weighed(Job, conditions)
    values = {c.parameter: c.argument for c in conditions}
    by_department = paging.child_counts(Job, "department_id", chosen)
    arguments = {**values, "keys": await departments(owner)}
    words = conditions[0].value
    there_are = await owner.fetchval("select count(*) from jobs where status = any ($1)", words)
    assert 0 < there_are < DATASETS / 10
    assert cost(await plan(app, identity, paging.scoped_count(Job, chosen), values)) <= there_are
    assert cost(await plan(app, identity, by_department, arguments)) <= there_are
