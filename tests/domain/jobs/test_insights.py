from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from domain.errors import Conflict, InvalidInput
from domain.jobs.actions import retry_job, start_job
from domain.jobs.insights import check_insight_params
from domain.jobs.models import JobType

if TYPE_CHECKING:
    from domain.database import Row
    from tests.domain.jobs.conftest import Desk

COLUMNS = ["a", "b"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"mapping": None},
        {"mapping": {}},
        {"mapping": {"order": "a", "customer": None}},
        {"mapping": {"amount": ["a", "b"], "outcome": "a"}},
        {"mapping": {"promised_days": "b"}},
    ],
)
def test_takes_columns_of_the_dataset_for_roles_of_one_insight(params: dict[str, Any]) -> None:
    check_insight_params(params, COLUMNS)


@pytest.mark.parametrize(
    ("params", "paths"),
    [
        ({"colour": 1}, [("params", "colour")]),
        ({"mapping": "a"}, [("params", "mapping")]),
        ({"mapping": ["a"]}, [("params", "mapping")]),
        ({"mapping": {"who": "a"}}, [("params", "mapping", "who")]),
        ({"mapping": {"order": "c"}}, [("params", "mapping", "order")]),
        ({"mapping": {"order": 1}}, [("params", "mapping", "order")]),
        ({"mapping": {"order": ["a"]}}, [("params", "mapping", "order")]),
        ({"mapping": {"amount": []}}, [("params", "mapping", "amount")]),
        ({"mapping": {"amount": ["a", "c"]}}, [("params", "mapping", "amount")]),
        ({"mapping": {"order": "a", "late": "b"}}, [("params", "mapping")]),
        (
            {"mapping": {"order": "c", "late": {}}},
            [("params", "mapping", "order"), ("params", "mapping", "late")],
        ),
    ],
)
def test_says_of_each_field_what_is_wrong(params: dict[str, Any], paths: list[Any]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_insight_params(params, COLUMNS)
    assert [field.path for field in refusal.value.fields] == paths
    assert all(field.message.endswith(".") for field in refusal.value.fields)


async def cleaned(desk: Desk) -> Row:
    return await desk.rows.dataset(
        desk.department_id,
        desk.person.id,
        status="completed",
        column_names=COLUMNS,
        s3_key_processed="datasets/x.parquet",
    )


async def test_starts_an_insight_of_what_is_cleaned_alone(desk: Desk) -> None:
    with pytest.raises(Conflict, match="never cleaned"):
        async with desk.work() as work:
            await start_job(work, desk.dataset.id, JobType.ML_INFERENCE)
    dataset, given = await cleaned(desk), {"mapping": {"order": "a"}}
    async with desk.work() as work:
        key = await start_job(work, dataset.id, JobType.ML_INFERENCE, params=given)
    assert (await desk.now("jobs", key)).params == given


async def test_starts_nothing_with_a_wrong_mapping(desk: Desk) -> None:
    dataset = await cleaned(desk)
    with pytest.raises(InvalidInput):
        async with desk.work() as work:
            await start_job(
                work, dataset.id, JobType.ML_INFERENCE, params={"mapping": {"order": "c"}}
            )
    # A mapping that was right once is checked again.
    job = await desk.rows.job(
        desk.department_id,
        desk.person.id,
        dataset,
        job_type="ml_inference",
        status="failed",
        params={"mapping": {"order": "gone"}},
    )
    with pytest.raises(InvalidInput):
        async with desk.work() as work:
            await retry_job(work, job.id)
    counted = "select count(*) from jobs where dataset_id = $1"
    assert await desk.rows.connection.fetchval(counted, dataset.id) == 1


async def test_an_insight_neither_waits_for_a_change_nor_keeps_one_waiting(desk: Desk) -> None:
    dataset = await cleaned(desk)
    async with desk.work() as work:
        await start_job(work, dataset.id, JobType.ML_INFERENCE)
    async with desk.work() as work:
        await start_job(work, dataset.id, JobType.ETL)
    with pytest.raises(Conflict, match="changing"):
        async with desk.work() as work:
            await start_job(work, dataset.id, JobType.ML_INFERENCE)
