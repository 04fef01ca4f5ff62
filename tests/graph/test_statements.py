"""How many statements a query takes: one a list and level, however many rows there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.factories.fixtures import database, owner, rows
from tests.graph.asking import Asker, Counter, filled

if TYPE_CHECKING:
    from domain.database import Database
    from domain.settings import Settings
    from tests.factories.rows import Rows

__all__ = ["database", "owner", "rows"]

NESTED = """
query ($first: Int) {
  datasets(first: $first) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { cursor node {
      id name status createdAt
      uploader { id displayName }
      jobs(first: 3) { nodes {
        id jobType status
        createdBy { displayName }
        results(first: 2) { nodes { id resultType payload dataset { id name } } }
      } }
      results(first: 2) { nodes { id resultType job { id status } } }
    } }
  }
}
"""
# The opening; datasets and their count; uploaders (creators are among them), jobs and results; the
# results of those jobs and the jobs of those results; the datasets of the former.
NESTED_STATEMENTS = 1 + 2 + 3 + 2 + 1


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


@pytest.mark.parametrize("datasets", [1, 25])
async def test_nested_lists_take_one_statement_a_list_whatever_their_length(
    settings: Settings, database: Database, rows: Rows, counter: Counter, datasets: int
) -> None:
    person = await filled(rows, datasets)
    asker = Asker(settings, database, person)
    data = await asker.ask(NESTED, {"first": 25})
    assert data["datasets"]["totalCount"] == len(data["datasets"]["edges"]) == datasets
    first = data["datasets"]["edges"][0]["node"]
    assert first["jobs"]["nodes"][0]["results"]["nodes"][0]["dataset"]["id"] == first["id"]
    counter.sent()
    await asker.ask(NESTED, {"first": 25})
    assert len(counter.sent()) == NESTED_STATEMENTS


async def test_a_page_without_its_count_takes_one_statement_beside_the_opening(
    settings: Settings, database: Database, rows: Rows, counter: Counter
) -> None:
    asker = Asker(settings, database, await filled(rows, 3))
    counter.sent()
    await asker.ask("{ datasets { nodes { id name } pageInfo { hasNextPage } } }")
    opening, page = counter.sent()
    assert opening.startswith("begin")
    assert "datasets" in page


async def test_the_viewer_alone_takes_as_few_statements_as_it_selects(
    settings: Settings, database: Database, rows: Rows, counter: Counter
) -> None:
    asker = Asker(settings, database, await filled(rows, 0))
    counter.sent()
    await asker.ask("{ viewer { user { fullName } } }")
    assert len(counter.sent()) <= 2


async def test_a_document_that_is_refused_takes_no_statement(
    settings: Settings, database: Database, rows: Rows, counter: Counter
) -> None:
    asker = Asker(settings, database, await filled(rows, 0))
    counter.sent()
    for query in ("{ nothing }", "{ datasets { ", "{ datasets(first: 1000) { nodes { id } } }"):
        with pytest.raises(AssertionError):
            await asker.ask(query)
    assert counter.sent() == []
