"""The etl job: a validated file becomes typed Parquet, a summary says how, an insight follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from domain import scope
from domain.catalog import keys
from domain.catalog.models import Dataset
from domain.jobs import protocol
from domain.jobs.actions import queue_job
from domain.jobs.models import JobType, Result
from workers.inputs import Input, input_of, refuse_duplicate, require_publisher, stored_rejects
from workers.runs import JobFailed

if TYPE_CHECKING:
    from workers.runs import Run

OUTPUT = "output.parquet"


async def run_etl(run: Run) -> None:
    """Cleans a raw file to Parquet, publishes it with its `etl_summary`, queues the insight.

    Raises `JobFailed` when the raw file is no longer the one that was validated.
    """
    given = await input_of(run)
    dataset = given.dataset
    if dataset.s3_key_raw is None or given.report is None:
        message = "The dataset was never validated. Start a validation first."
        raise JobFailed("NOT_VALIDATED", message)
    storage = run.parts.storage
    async with run.parts.sandbox.directory() as directory:
        found = await run.until_stopped(
            storage.download(
                dataset.s3_key_raw,
                directory / "input",
                run.share(1, 20, "Reading the file"),
            )
        )
        if found.sha256 != dataset.file_hash_sha256:
            message = "The stored file is not the one that was validated. Validate it again."
            raise JobFailed("HASH_MISMATCH", message, blames_file=True)
        summary = await run.in_child(
            "etl",
            directory,
            {
                "input": "input",
                "file_type": dataset.file_type,
                "params": {**run.lease.params, "validation": given.report},
            },
            20,
            85,
        )
        # Read by the validation's report, a file has the rejects that the validation stored.
        rejects = await stored_rejects(run, given, directory) or dataset.s3_key_rejects
        output = await _key(run, given)
        await run.until_stopped(
            storage.upload(
                directory / OUTPUT,
                output,
                "application/vnd.apache.parquet",
                run.share(86, 96, "Storing the result"),
            )
        )
    run.report(97, "Publishing")
    await _publish(run, given, summary, output, rejects)


async def _key(run: Run, given: Input) -> str:
    async with run.publishing() as work:
        work.own()
        row = await work.row(
            select(func.count().label("count"))
            .select_from(Result)
            .where(
                Result.dataset_id == given.dataset.id,
                Result.result_type == "etl_summary",
                scope.condition(Result),
            )
        )
    version = (row["count"] if row else 0) + 1
    lease = run.lease
    return keys.processed(
        lease.department_id, given.dataset.id, version, lease.attempt, lease.token
    )


async def _publish(
    run: Run, given: Input, summary: dict[str, Any], output: str, rejects: str | None
) -> None:
    dataset = given.dataset
    report = given.report or {}
    rows = summary["rows"]
    message = f"Done: {rows['read']} rows read, {rows['kept']} kept, {rows['rejected']} rejected."
    async with run.publishing() as work:
        require_publisher(work, run)
        await refuse_duplicate(work, given, dataset.file_hash_sha256)
        await protocol.succeed(
            work, run.lease, message=message, result_data={"rows": rows}, output_file=output
        )
        await work.rows(
            update(Dataset)
            .where(Dataset.id == dataset.id, Dataset.department_id == dataset.department_id)
            .values(
                s3_key_processed=output,
                s3_key_rejects=rejects,
                row_count=rows["kept"],
                column_count=len(summary["columns"]),
                column_names=[column["name"] for column in summary["columns"]],
                # An earlier etl that failed left its own reason here.
                validation_errors=report.get("rejects_sample") or None,
            )
        )
        await work.rows(
            insert(Result).values(
                department_id=dataset.department_id,
                dataset_id=dataset.id,
                job_id=run.lease.id,
                result_type="etl_summary",
                payload=summary,
                metadata={"attempt": run.lease.attempt, "rejectsStored": rejects is not None},
            )
        )
        await queue_job(work, dataset, JobType.ML_INFERENCE)
