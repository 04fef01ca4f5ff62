"""How a dataset and its upload follow the jobs that change them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from domain.database import Row
    from tests.factories.rows import Rows

PROCESSED = {"s3_key_processed": "processed.parquet"}
UNREAD = {"column_names": None, "column_count": None, "row_count": None}


@dataclass
class Stage:
    """A dataset with an upload and one job."""

    rows: Rows
    dataset: Row
    upload: Row
    job: Row

    async def job_goes(self, *statuses: str) -> None:
        """Takes the job through statuses; it "broke" where it failed beside the file."""
        for word in statuses:
            status = "failed" if word == "broke" else word
            blames = word == "failed"
            lease = "now()" if status == "processing" else "null"
            end = "now()" if status in ("succeeded", "failed", "cancelled") else "null"
            code = "'BAD'" if status == "failed" else "null"
            await self.rows.connection.execute(
                f"update jobs set status = $2, lease_expires_at = {lease}, "  # noqa: S608
                f"completed_at = {end}, error_code = {code}, error_message = {code}, "
                "blames_file = $3 where id = $1",
                self.job.id,
                status,
                blames,
            )

    async def statuses(self) -> tuple[str, str]:
        """The dataset's and the upload's."""
        connection = self.rows.connection
        return (
            await connection.fetchval("select status from datasets where id = $1", self.dataset.id),
            await connection.fetchval("select status from uploads where id = $1", self.upload.id),
        )


async def stage(
    rows: Rows, job_type: str, status: str, upload: str = "completed", **values: Any
) -> Stage:
    department_id = await rows.department()
    person = await rows.person(department_id)
    dataset = await rows.dataset(department_id, person.id, status=status, **values)
    return Stage(
        rows,
        dataset,
        await rows.upload(dataset, status=upload),
        await rows.job(department_id, person.id, dataset, job_type=job_type),
    )


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("processing", ("validating", "processing")),
        ("processing succeeded", ("validated", "completed")),
        ("processing failed", ("failed", "failed")),
        ("processing broke", ("uploaded", "uploaded")),
        ("processing queued broke", ("uploaded", "uploaded")),
        ("broke", ("uploaded", "uploaded")),
        ("processing cancelled", ("uploaded", "uploaded")),
        ("processing queued", ("validating", "processing")),
        ("processing queued processing", ("validating", "processing")),
        ("processing queued processing succeeded", ("validated", "completed")),
        ("processing queued cancelled", ("uploaded", "uploaded")),
        ("processing queued failed", ("failed", "failed")),
        ("cancelled", ("uploaded", "uploaded")),
        ("failed", ("failed", "failed")),
    ],
)
async def test_follows_a_first_validation(rows: Rows, way: str, expected: tuple[str, str]) -> None:
    staged = await stage(rows, "validation", "uploaded", "uploaded", **UNREAD)
    await staged.job_goes(*way.split())
    assert await staged.statuses() == expected


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("processing", "processing"),
        ("processing succeeded", "completed"),
        ("processing failed", "failed"),
        ("processing broke", "validated"),
        ("processing cancelled", "validated"),
        ("processing queued", "processing"),
        ("processing queued cancelled", "validated"),
        ("processing queued processing succeeded", "completed"),
        ("cancelled", "validated"),
    ],
)
async def test_follows_a_first_etl(rows: Rows, way: str, expected: str) -> None:
    staged = await stage(rows, "etl", "validated")
    await staged.job_goes(*way.split())
    assert await staged.statuses() == (expected, "completed")


@pytest.mark.parametrize("job_type", ["validation", "etl"])
@pytest.mark.parametrize(
    "way", ["processing cancelled", "processing queued cancelled", "processing broke"]
)
async def test_goes_back_to_what_the_last_good_run_left(
    rows: Rows, job_type: str, way: str
) -> None:
    staged = await stage(rows, job_type, "completed", **PROCESSED)
    await staged.job_goes(*way.split())
    assert await staged.statuses() == ("completed", "completed")


@pytest.mark.parametrize("status", ["validated", "completed", "failed"])
async def test_validates_again_from_wherever_it_stands(rows: Rows, status: str) -> None:
    staged = await stage(rows, "validation", status, "failed")
    await staged.job_goes("processing")
    assert await staged.statuses() == ("validating", "processing")
    await staged.job_goes("succeeded")
    assert await staged.statuses() == ("validated", "completed")


async def test_a_job_that_is_cancelled_while_it_waits_undoes_nothing_of_another(
    rows: Rows,
) -> None:
    staged = await stage(rows, "etl", "uploaded", "uploaded", **UNREAD)
    dataset = staged.dataset
    validation = await rows.job(
        dataset.department_id, dataset.uploader_id, dataset, job_type="validation"
    )
    other = Stage(rows, dataset, staged.upload, validation)
    await other.job_goes("processing")
    await staged.job_goes("cancelled")
    assert await staged.statuses() == ("validating", "processing")


async def test_a_retry_that_is_cancelled_before_it_began_leaves_the_failure(rows: Rows) -> None:
    staged = await stage(rows, "validation", "failed", "failed", **UNREAD)
    await staged.job_goes("cancelled")
    assert await staged.statuses() == ("failed", "failed")


async def test_a_failure_says_why_and_a_new_run_forgets_it(rows: Rows) -> None:
    staged = await stage(rows, "validation", "uploaded", "uploaded")
    look = "select validation_errors from datasets where id = $1"
    await staged.job_goes("processing", "failed")
    errors = await rows.connection.fetchval(look, staged.dataset.id)
    assert errors == [{"code": "BAD", "message": "BAD"}]
    dataset = staged.dataset
    staged.job = await rows.job(
        dataset.department_id, dataset.uploader_id, dataset, job_type="validation"
    )
    await staged.job_goes("processing")
    assert await rows.connection.fetchval(look, staged.dataset.id) is None


@pytest.mark.parametrize("job_type", ["ml_inference", "eda", "schema_deduction", "training"])
async def test_stays_where_it_is_for_jobs_that_do_not_change_it(rows: Rows, job_type: str) -> None:
    staged = await stage(rows, job_type, "completed", **PROCESSED)
    for status in ("processing", "failed"):
        await staged.job_goes(status)
        assert await staged.statuses() == ("completed", "completed")


async def test_a_job_without_a_dataset_has_nothing_to_follow_it(rows: Rows) -> None:
    staged = await stage(rows, "etl", "validated")
    dataset = staged.dataset
    staged.job = await rows.job(dataset.department_id, dataset.uploader_id)
    await staged.job_goes("processing", "succeeded")
    assert await staged.statuses() == ("validated", "completed")


async def test_refuses_the_success_that_would_skip_a_step(rows: Rows) -> None:
    staged = await stage(rows, "etl", "uploading")
    await staged.job_goes("processing")
    assert await staged.statuses() == ("uploading", "completed")
    with pytest.raises(Exception, match="The dataset changed"):
        await staged.job_goes("succeeded")


@pytest.mark.parametrize("upload", ["aborted", "expired", "uploading"])
async def test_leaves_uploads_that_are_over_or_not_yet_there(rows: Rows, upload: str) -> None:
    staged = await stage(rows, "validation", "uploaded", upload)
    await staged.job_goes("processing", "succeeded")
    assert await staged.statuses() == ("validated", upload)
