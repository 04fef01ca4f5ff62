"""The validation job: the bytes are made ours, their hash verified, their form and types found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import insert, update

from domain.catalog import keys
from domain.catalog.files import ending_of
from domain.catalog.models import Dataset
from domain.jobs import protocol
from domain.jobs.actions import queue_job
from domain.jobs.models import JobType, Result
from workers.inputs import Input, input_of, refuse_duplicate, require_publisher, stored_rejects
from workers.runs import JobFailed

if TYPE_CHECKING:
    from workers.runs import Run


async def run_validation(run: Run) -> None:
    """Validates a dataset's file, publishes the report, and queues the etl.

    Raises `JobFailed` for a file that is not what was promised, or that the department has already.
    """
    given = await input_of(run)
    async with run.parts.sandbox.directory() as directory:
        run.report(1, "Copying the file")
        key = await _own_copy(run, given)
        found = await run.until_stopped(
            run.parts.storage.download(
                key, directory / "input", run.share(5, 30, "Reading the file")
            )
        )
        _check(given, found.sha256, found.size)
        report = await run.in_child(
            "validation",
            directory,
            {"input": "input", "file_type": given.dataset.file_type, "params": run.lease.params},
            30,
            90,
        )
        rejects = await stored_rejects(run, given, directory)
    run.report(95, "Publishing")
    await _publish(run, given, key, found.sha256, report, rejects)


async def _own_copy(run: Run, given: Input) -> str:
    """Copies what was uploaded to a key that no presigned request names, and deletes the upload's.

    The dataset remembers the copy before the original goes, so an attempt that is cut off anywhere
    loses nothing.
    """
    storage = run.parts.storage
    dataset = given.dataset
    if dataset.s3_key_raw is not None:
        await storage.delete([given.upload.s3_key])
        return str(dataset.s3_key_raw)
    ending = ending_of(given.upload.file_name, given.upload.content_type)
    key = keys.raw(dataset.department_id, dataset.id, datetime.now(UTC), ending)
    await run.until_stopped(storage.copy(given.upload.s3_key, key))
    async with run.publishing() as work:
        require_publisher(work, run)
        await protocol.hold(work, run.lease)
        await work.rows(
            update(Dataset)
            .where(Dataset.id == dataset.id, Dataset.department_id == dataset.department_id)
            .values(s3_key_raw=key)
        )
    await storage.delete([given.upload.s3_key])
    return key


def _check(given: Input, sha256: str, size: int) -> None:
    if size != given.dataset.file_size_bytes:
        message = (
            f"The upload promised {given.dataset.file_size_bytes} bytes and has {size}. "
            "Upload the file again."
        )
        raise JobFailed("SIZE_MISMATCH", message, blames_file=True)
    promised = given.dataset.file_hash_sha256 or given.upload.file_hash_sha256
    if promised is not None and promised != sha256:
        message = f"The file's SHA-256 is {sha256}, and {promised} was promised. Upload it again."
        raise JobFailed("HASH_MISMATCH", message, blames_file=True)


async def _publish(
    run: Run, given: Input, key: str, sha256: str, report: dict[str, Any], rejects: str | None
) -> None:
    dataset = given.dataset
    rows = report["rows"]
    try:
        async with run.publishing() as work:
            require_publisher(work, run)
            await refuse_duplicate(work, given, sha256)
            message = f"Validated: {rows['kept']} of {rows['read']} rows can be kept."
            await protocol.succeed(work, run.lease, message=message, result_data={"rows": rows})
            await work.rows(
                update(Dataset)
                .where(Dataset.id == dataset.id, Dataset.department_id == dataset.department_id)
                .values(
                    s3_key_raw=key,
                    s3_key_rejects=rejects,
                    file_hash_sha256=sha256,
                    row_count=rows["kept"],
                    column_count=len(report["columns"]),
                    column_names=[column["name"] for column in report["columns"]],
                    validation_errors=report["rejects_sample"] or None,
                )
            )
            await work.rows(
                insert(Result).values(
                    department_id=dataset.department_id,
                    dataset_id=dataset.id,
                    job_id=run.lease.id,
                    result_type="validation_report",
                    payload=report,
                    metadata={"attempt": run.lease.attempt, "rejectsStored": rejects is not None},
                )
            )
            await queue_job(work, dataset, JobType.ETL)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "datasets_department_id_file_hash_sha256_idx":
            raise
        # Its twin was published between the look and the write: look again, and name it.
        async with run.publishing() as work:
            require_publisher(work, run)
            await refuse_duplicate(work, given, sha256)
        raise
