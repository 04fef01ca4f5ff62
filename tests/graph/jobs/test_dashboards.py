"""What dashboards ask, by whoever may and by whoever may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from graph.scalars import encoded_id
from ops.dashboards import QUERIES, query

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Row
    from tests.factories.rows import Person, Rows
    from tests.graph.catalog.conftest import Asker

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
CODES = ("UNREADABLE", "INTERNAL", "UNREADABLE", "TIMED_OUT")

JOBS = """
query Jobs($filter: JobFilter, $orderBy: JobOrderBy, $first: Int, $after: String, $last: Int) {
  jobs(filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last) {
    totalCount
    nodes { id }
    pageInfo { endCursor hasNextPage }
  }
}
"""
RESULTS = """
query Results($filter: ResultFilter) {
  results(filter: $filter) { totalCount nodes { id } }
  departments { nodes { id results(filter: $filter) { totalCount nodes { id } } } }
}
"""
LATEST_FIRST = {"field": "COMPLETED_AT"}


@dataclass(frozen=True)
class Board:
    """A department with one below it, and another; the jobs of the first, the oldest first."""

    boss: Person
    below: Person
    stranger: Person
    department: UUID
    lower: UUID
    queued: Row
    processing: Row
    failed: list[Row]
    succeeded: Row
    results: list[Row]


@pytest.fixture
async def board(rows: Rows) -> Board:
    department = await rows.department()
    lower = await rows.department(department)
    elsewhere = await rows.department()
    boss = await rows.person(department)
    below = await rows.person(lower)
    stranger = await rows.person(elsewhere)
    made: dict[UUID, dict[str, Any]] = {}
    for place, person in ((department, boss), (lower, below), (elsewhere, stranger)):
        dataset = await rows.dataset(place, person.id)
        queued = await rows.job(place, person.id, dataset, created_at=START)
        processing = await rows.job(
            place, person.id, dataset, status="processing", job_type="eda", created_at=START
        )
        # The later one was started, the sooner it ended.
        failed = [
            await rows.job(
                place,
                person.id,
                dataset,
                status="failed",
                error_code=code,
                created_at=START + timedelta(minutes=n),
                completed_at=START + timedelta(hours=9 - n),
            )
            for n, code in enumerate(CODES)
        ]
        succeeded = await rows.job(
            place, person.id, dataset, status="succeeded", completed_at=START + timedelta(hours=7)
        )
        results = [
            await rows.result(succeeded, result_type="department_insight"),
            await rows.result(failed[0], result_type="etl_summary"),
        ]
        made[place] = {
            "queued": queued,
            "processing": processing,
            "failed": failed,
            "succeeded": succeeded,
            "results": results,
        }
    return Board(boss, below, stranger, department, lower, **made[lower])


def ids(found: list[Row], type_name: str = "Job") -> list[str]:
    return [str(encoded_id(type_name, row.id)) for row in found]


def listed(page: dict[str, Any]) -> list[str]:
    return [node["id"] for node in page["nodes"]]


async def test_the_three_queries_tell_of_ones_own_departments_alone(
    asker: Asker, board: Board
) -> None:
    for person, departments in ((board.boss, 2), (board.below, 1), (board.stranger, 1)):
        processing, failed, latest = [await asker.data(person, query(n)) for n in QUERIES.values()]
        assert processing["jobs"]["totalCount"] == 2 * departments
        assert {n["status"] for n in processing["jobs"]["nodes"]} == {"QUEUED", "PROCESSING"}
        counts = processing["departments"]["nodes"]
        assert [c["queued"]["totalCount"] for c in counts] == [1] * departments
        assert [c["processing"]["totalCount"] for c in counts] == [1] * departments
        assert failed["jobs"]["totalCount"] == len(CODES) * departments
        moments = [n["completedAt"] for n in failed["jobs"]["nodes"]]
        assert moments == sorted(moments, reverse=True)
        assert [c["failed"]["totalCount"] for c in failed["departments"]["nodes"]] == [
            len(CODES)
        ] * departments
        found = [r for d in latest["departments"]["nodes"] for r in d["results"]["nodes"]]
        assert [r["resultType"] for r in found] == ["department_insight"] * departments
        codes = {n["department"]["code"] for n in failed["jobs"]["nodes"]}
        assert codes == {c["code"] for c in counts}


async def test_failures_since_a_moment(asker: Asker, board: Board) -> None:
    since = (START + timedelta(hours=8)).isoformat()
    found = await asker.data(board.below, query("failed"), since=since)
    assert found["jobs"]["totalCount"] == 2
    assert [n["errorCode"] for n in found["jobs"]["nodes"]] == list(CODES[:2])
    assert found["departments"]["nodes"][0]["failed"]["totalCount"] == 2
    nothing = await asker.data(board.below, query("failed"), since="2027-01-01T00:00:00Z")
    assert nothing["jobs"] == {"totalCount": 0, "nodes": []}


@pytest.mark.parametrize(
    ("chosen", "codes"),
    [
        ({"errorCode": ["INTERNAL"]}, ["INTERNAL"]),
        ({"errorCode": ["TIMED_OUT", "INTERNAL", "INTERNAL"]}, ["INTERNAL", "TIMED_OUT"]),
        ({"errorCode": ["UNREADABLE"], "status": ["FAILED"]}, ["UNREADABLE", "UNREADABLE"]),
        ({"errorCode": ["UNREADABLE"], "status": ["SUCCEEDED", "QUEUED"]}, []),
        ({"errorCode": []}, []),
        ({"errorCode": ["unreadable", "' or true"]}, []),
        ({"completedBefore": (START + timedelta(hours=7)).isoformat()}, ["TIMED_OUT"]),
    ],
)
async def test_filters_by_reason_and_end(
    asker: Asker, board: Board, chosen: dict[str, Any], codes: list[str]
) -> None:
    expected = [row for row in board.failed if row.error_code in codes]
    for order in (LATEST_FIRST, {"field": "COMPLETED_AT", "direction": "ASC"}, None):
        page = (await asker.data(board.below, JOBS, filter=chosen, orderBy=order))["jobs"]
        assert sorted(listed(page)) == sorted(ids(expected))
        assert page["totalCount"] == len(expected)
        if order is LATEST_FIRST:
            assert listed(page) == ids(expected)


async def test_filters_by_exactly_one_department(asker: Asker, board: Board) -> None:
    lower = str(encoded_id("Department", board.lower))
    upper = str(encoded_id("Department", board.department))
    seen = {
        name: (await asker.data(board.boss, JOBS, filter={"departmentId": key}))["jobs"]
        for name, key in (("lower", lower), ("upper", upper))
    }
    assert seen["lower"]["totalCount"] == seen["upper"]["totalCount"] == len(CODES) + 3
    own = ids([board.queued, board.processing, board.succeeded, *board.failed])
    assert sorted(listed(seen["lower"])) == sorted(own)
    found = await asker.data(board.boss, RESULTS, filter={"departmentId": lower})
    assert sorted(listed(found["results"])) == sorted(ids(board.results, "Result"))
    # Who does not see the department finds nothing in it, as in one that does not exist.
    for person in (board.below, board.stranger):
        for model in (JOBS, RESULTS):
            hidden = await asker.data(person, model, filter={"departmentId": upper})
            page = hidden.get("jobs") or hidden["results"]
            assert (page["totalCount"], page["nodes"]) == (0, [])


async def test_jobs_that_have_not_ended_are_left_out_of_an_order_by_their_end(
    asker: Asker, board: Board
) -> None:
    everything = (await asker.data(board.below, JOBS, first=50))["jobs"]
    assert everything["totalCount"] == len(CODES) + 3
    ended = [board.failed[0], board.failed[1], board.failed[2], board.succeeded, board.failed[3]]
    found, after = [], None
    while True:
        page = (await asker.data(board.below, JOBS, orderBy=LATEST_FIRST, first=2, after=after))[
            "jobs"
        ]
        assert page["totalCount"] == len(ended)
        found += listed(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    # Two of them ended at the same moment: the later id comes first.
    assert found[:2] == ids(ended[:2])
    assert sorted(found[2:4]) == sorted(ids(ended[2:4]))
    assert found[4:] == ids(ended[4:])
    last = (await asker.data(board.below, JOBS, orderBy=LATEST_FIRST, last=2))["jobs"]
    assert listed(last) == found[-2:]
    other = (await asker.data(board.below, JOBS, first=1))["jobs"]["pageInfo"]["endCursor"]
    refused = await asker.refusal(board.below, JOBS, orderBy=LATEST_FIRST, after=other)
    assert refused["code"] == "INVALID_INPUT"


async def test_pages_through_several_statuses_without_missing_or_repeating(
    asker: Asker, board: Board
) -> None:
    chosen = {"status": ["FAILED", "QUEUED", "PROCESSING"]}
    whole = (await asker.data(board.boss, JOBS, filter=chosen, first=50))["jobs"]
    assert whole["totalCount"] == len(whole["nodes"]) == 2 * (len(CODES) + 2)
    found, after = [], None
    for _ in range(4):
        page = (await asker.data(board.boss, JOBS, filter=chosen, first=3, after=after))["jobs"]
        found += listed(page)
        after = page["pageInfo"]["endCursor"]
    assert found == listed(whole)
    assert not page["pageInfo"]["hasNextPage"]


async def test_results_of_several_types_come_once_each(asker: Asker, board: Board) -> None:
    types = ["etl_summary", "department_insight", "etl_summary", "never"]
    found = await asker.data(board.below, RESULTS, filter={"resultType": types})
    assert found["results"]["totalCount"] == 2
    assert listed(found["results"]) == ids(board.results[::-1], "Result")
    (department,) = found["departments"]["nodes"]
    assert listed(department["results"]) == listed(found["results"])
    many = await asker.data(
        board.below, RESULTS, filter={"resultType": [f"type {n}" for n in range(40)] + types}
    )
    assert many == found


async def test_someone_without_permission_sees_departments_and_nothing_in_them(
    asker: Asker, board: Board, rows: Rows
) -> None:
    powerless = await rows.person(board.lower, roles=())
    processing, failed, latest = [await asker.data(powerless, query(n)) for n in QUERIES.values()]
    assert processing["jobs"]["totalCount"] == failed["jobs"]["totalCount"] == 0
    for department in (*processing["departments"]["nodes"], *latest["departments"]["nodes"]):
        assert department.get("queued", {"totalCount": 0})["totalCount"] == 0
        assert department.get("results", {"nodes": []})["nodes"] == []
