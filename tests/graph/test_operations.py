"""The faults of one operation's reads: stale after a change, cancelled beside, two connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from domain.database import Database
from graph.scalars import encoded_id
from tests.factories.fixtures import database, owner, rows
from tests.graph.asking import Asker, filled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings
    from tests.factories.rows import Rows

__all__ = ["database", "owner", "rows"]

CHANGES = """
mutation ($id: ID!) {
  first: updateDataset(input: {datasetId: $id, name: "First"}) {
    dataset { name jobs { totalCount } }
  }
  started: startJob(input: {datasetId: $id, jobType: ETL}) {
    job { status dataset { name jobs { totalCount } } }
  }
  second: updateDataset(input: {datasetId: $id, name: "Second"}) {
    dataset { name jobs { totalCount } }
  }
}
"""
BESIDE_A_FAULT = """
query ($id: ID!) {
  broken: dataset(id: $id) {
    uploader { displayName }
    jobs(first: 100000) { nodes { id } }
    results { nodes { id } }
  }
  whole: datasets { nodes { id uploader { displayName } jobs { nodes { id } } } }
}
"""


async def a_dataset(rows: Rows, datasets: int = 3) -> tuple[Any, str]:
    person = await filled(rows, datasets)
    key = await rows.connection.fetchval(
        "select id from datasets where uploader_id = $1 order by id limit 1", person.id
    )
    return person, encoded_id("Dataset", key)


async def test_each_change_reads_what_it_has_committed(
    settings: Settings, database: Database, rows: Rows
) -> None:
    person, dataset = await a_dataset(rows)
    data = await Asker(settings, database, person).ask(CHANGES, {"id": dataset})
    assert data["first"]["dataset"] == {"name": "First", "jobs": {"totalCount": 2}}
    assert data["started"]["job"] == {
        "status": "QUEUED",
        "dataset": {"name": "First", "jobs": {"totalCount": 3}},
    }
    assert data["second"]["dataset"] == {"name": "Second", "jobs": {"totalCount": 3}}


async def test_a_field_that_fails_leaves_its_unrelated_siblings_alone(
    settings: Settings, database: Database, rows: Rows
) -> None:
    person, dataset = await a_dataset(rows)
    asker = Asker(settings, database, person)
    for _ in range(20):
        answer = await asker.answer(BESIDE_A_FAULT, {"id": dataset})
        (error,) = answer.errors or []
        assert error["path"] == ["broken", "jobs"]
        assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
        assert answer.data is not None
        assert answer.data["broken"] is None
        assert len(answer.data["whole"]["nodes"]) == 3
        assert all(len(node["jobs"]["nodes"]) == 2 for node in answer.data["whole"]["nodes"])


@pytest.fixture
async def pool_of_four(settings: Settings) -> AsyncIterator[Database]:
    small = settings.model_copy(update={"database_pool_size": 4, "database_max_overflow": 0})
    opened = Database(small)
    await opened.open()
    yield opened
    await opened.close()


async def test_more_operations_than_connections_all_come_to_their_end(
    settings: Settings, pool_of_four: Database, rows: Rows
) -> None:
    person, dataset = await a_dataset(rows)
    asker = Asker(settings, pool_of_four, person)
    query = "query ($id: ID!) { dataset(id: $id) { jobs { nodes { id } totalCount } } }"
    asked = [asker.ask(query, {"id": dataset}) for _ in range(16)]
    async with asyncio.timeout(8):
        answers = await asyncio.gather(*asked)
    assert all(answer["dataset"]["jobs"]["totalCount"] == 2 for answer in answers)


async def test_lists_within_lists_end_at_the_rows_that_one_operation_may_give(
    settings: Settings, database: Database, rows: Rows
) -> None:
    person, _ = await a_dataset(rows, 12)
    key = await rows.connection.fetchval(
        "select id from datasets where uploader_id = $1 limit 1", person.id
    )
    dataset = await rows.connection.fetchrow("select * from datasets where id = $1", key)
    for _ in range(18):
        await rows.job(dataset.department_id, person.id, dataset, status="succeeded")
    inner = "jobs { nodes { dataset { " * 10 + "id" + " } } }" * 10
    query = f"{{ datasets {{ nodes {{ {inner} }} }} }}"
    asker = Asker(settings, database, person)
    async with asyncio.timeout(20):
        answer = await asker.answer(query)
    assert answer.data is None
    (error,) = answer.errors or []
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    allowed = await asker.ask("{ datasets { nodes { jobs { nodes { id } } } } }")
    assert sum(len(node["jobs"]["nodes"]) for node in allowed["datasets"]["nodes"]) == 12 * 2 + 18
