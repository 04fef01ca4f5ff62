"""The ml_inference job: a cleaned file tells its department what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from domain.jobs import protocol
from domain.jobs.models import Result
from workers.inputs import input_of, require_publisher
from workers.runs import JobFailed

if TYPE_CHECKING:
    from domain.database import Row
    from workers.runs import Run


async def run_ml_inference(run: Run) -> None:
    """Makes the insight of a dataset's cleaned file and publishes it as `department_insight`.

    The dataset stays as it is, however this ends. Raises `JobFailed` where there is no cleaned
    file.
    """
    dataset = (await input_of(run)).dataset
    key = dataset.s3_key_processed
    if key is None:
        raise JobFailed("NOT_CLEANED", "The dataset was never cleaned. Start an etl first.")
    async with run.publishing() as work:
        work.own()
        asked = await work.row(
            select(func.insight_of_department(dataset.department_id).label("insight"))
        )
    async with run.parts.sandbox.directory() as directory:
        await run.until_stopped(
            run.parts.storage.download(
                key, directory / "input.parquet", run.share(1, 15, "Reading the cleaned file")
            )
        )
        insight = await run.in_child(
            "ml_inference",
            directory,
            {
                "input": "input.parquet",
                "file_type": "parquet",
                "params": {
                    "mapping": run.lease.params.get("mapping"),
                    "department": asked["insight"] if asked else None,
                },
            },
            15,
            95,
        )
    run.report(97, "Publishing")
    await _publish(run, dataset, insight)


async def _publish(run: Run, dataset: Row, insight: dict[str, Any]) -> None:
    async with run.publishing() as work:
        require_publisher(work, run)
        said = insight["summary"][0] if insight["summary"] else insight["why"]
        found = {"insight": insight["insight"], "figures": len(insight["figures"])}
        await protocol.succeed(work, run.lease, message=f"Done: {said}", result_data=found)
        await work.rows(
            insert(Result).values(
                department_id=dataset.department_id,
                dataset_id=dataset.id,
                job_id=run.lease.id,
                result_type="department_insight",
                payload=insight,
                metadata={"attempt": run.lease.attempt, "cleanedFile": dataset.s3_key_processed},
            )
        )
