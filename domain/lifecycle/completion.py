"""Completing an upload: all bytes are there, they may be what they claim, and validation begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from domain.catalog import files
from domain.catalog.actions.datasets import change_dataset
from domain.catalog.actions.seen import seen_dataset
from domain.catalog.actions.uploads import change_upload, own_upload, require_open
from domain.catalog.models import DatasetStatus, FileType, UploadStatus
from domain.errors import Conflict, DomainError, FieldError, InvalidInput
from domain.jobs.actions import queue_job
from domain.jobs.models import Job, JobType
from domain.lifecycle.flow import clear_incoming_now_or_later
from domain.lifecycle.parts import arrived_parts, missing_parts
from domain.paging import visible
from domain.s3 import NoSuchObject, NoSuchUpload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from domain.database import Row
    from domain.lifecycle.flow import Flow
    from domain.s3 import StoredPart
    from domain.work import Work

NAMED_PARTS = 20
"""How many missing parts a message names."""


@dataclass(frozen=True, slots=True)
class Completed:
    """What a completed upload became: its dataset, and the job that validates it."""

    upload_id: UUID
    dataset_id: UUID
    job_id: UUID | None


async def complete_upload(
    flow: Flow, upload_id: UUID, claimed: Mapping[int, str] | None = None, *, late: bool = False
) -> Completed:
    """Checks that all bytes have arrived, and starts the validation. A second call changes nothing.

    ``claimed`` are the ETags that the client was given by part number; each must be what the bucket
    holds. ``late`` lets an upload through whose time is up but whose bytes are there.

    Raises `NotFound`, `Forbidden` for another's upload, `Conflict` where bytes are missing (the
    upload stays open) or it takes no more, and `InvalidInput` for an ETag that differs and for a
    file that is surely not what its name says (which fails the upload and its dataset).
    """
    async with flow.work() as work:
        upload = await own_upload(work, upload_id)
        done = await _completed(work, upload)
        if done is not None:
            return done
        require_open(upload, late=late)
    if upload.total_chunks > 1:
        await _assemble(flow, upload, claimed or {})
    fault = files.fault_of(FileType(upload.file_type), await _head(flow, upload))
    if fault is not None:
        async with flow.work() as work:
            failed = await _fail(work, upload_id, fault)
        if failed:
            await clear_incoming_now_or_later(flow.storage, upload)
        raise InvalidInput.at("uploadId", fault, "wrong_content")
    async with flow.work() as work:
        return await _publish(work, upload_id)


async def _completed(work: Work, upload: Row) -> Completed | None:
    if upload.status in {UploadStatus.UPLOADING, UploadStatus.ABORTED, UploadStatus.EXPIRED}:
        return None
    job = await work.row(
        select(Job.id)
        .where(
            Job.dataset_id == upload.dataset_id,
            Job.job_type == JobType.VALIDATION,
            visible(Job),
        )
        .order_by(Job.created_at, Job.id)
        .limit(1)
    )
    if job is None and upload.status == UploadStatus.FAILED:
        return None
    return Completed(upload.id, upload.dataset_id, job["id"] if job else None)


async def _assemble(flow: Flow, upload: Row, claimed: Mapping[int, str]) -> None:
    arrived = await arrived_parts(flow.storage, upload)
    if arrived is None:
        message = (
            "The object storage no longer knows this upload. Call resumeUpload, and send the parts "
            "that it names."
        )
        raise _unfinished(message, "forgotten")
    missing = missing_parts(upload, arrived)
    if missing:
        named = ", ".join(str(number) for number in missing[:NAMED_PARTS])
        more = ", …" if len(missing) > NAMED_PARTS else ""
        message = (
            f"{len(missing)} of {upload.total_chunks} parts have not arrived in full: "
            f"{named}{more}. Send them, then complete the upload again."
        )
        raise _unfinished(message, "missing_parts")
    if all(part.etag for part in arrived):
        _check_claims(arrived, claimed)
        try:
            await flow.storage.complete_multipart(upload.s3_key, upload.s3_multipart_id, arrived)
        except NoSuchUpload:
            # A twin was faster, or the answer to an earlier try was lost; the object tells.
            return


def _check_claims(arrived: Sequence[StoredPart], claimed: Mapping[int, str]) -> None:
    etags = {part.number: part.etag.strip('"') for part in arrived}
    for number, etag in claimed.items():
        if etags.get(number) != etag.removeprefix("W/").strip('"'):
            message = (
                f"Part {number} is not the one that lies in the object storage. Send it again, "
                "then complete the upload with its new ETag."
            )
            raise InvalidInput.at("parts", message, "other_etag")


async def _head(flow: Flow, upload: Row) -> bytes:
    size = await flow.storage.head(upload.s3_key)
    if size is not None and size != upload.file_size_bytes:
        message = (
            f"{size} bytes have arrived, but {upload.file_size_bytes} were promised. Send the file "
            "again, or start a new upload with its size."
        )
        raise _unfinished(message, "wrong_size")
    try:
        return await flow.storage.first_bytes(upload.s3_key, files.HEAD_BYTES)
    except NoSuchObject:
        message = "Nothing has arrived. Send the file, then complete the upload again."
        raise _unfinished(message, "missing_parts") from None


def _unfinished(message: str, code: str) -> DomainError:
    return Conflict(message, fields=(FieldError(("uploadId",), code, message),))


async def _publish(work: Work, upload_id: UUID) -> Completed:
    upload = await own_upload(work, upload_id)
    dataset = await seen_dataset(work, upload.dataset_id)
    upload = await own_upload(work, upload_id, lock=True)
    done = await _completed(work, upload)
    if done is not None:
        return done
    require_open(upload, late=True)
    await change_upload(
        work,
        upload,
        {
            "status": UploadStatus.UPLOADED,
            "upload_progress": 100,
            "uploaded_chunks": upload.total_chunks,
            "completed_at": func.now(),
        },
    )
    await change_dataset(
        work, dataset, {"status": DatasetStatus.UPLOADED, "uploaded_at": func.now()}
    )
    job = await queue_job(work, dataset, JobType.VALIDATION)
    return Completed(upload.id, dataset.id, job["id"] if job else None)


async def _fail(work: Work, upload_id: UUID, fault: str) -> bool:
    upload = await own_upload(work, upload_id)
    dataset = await seen_dataset(work, upload.dataset_id)
    upload = await own_upload(work, upload_id, lock=True)
    if upload.status != UploadStatus.UPLOADING:
        return False
    await change_upload(work, upload, {"status": UploadStatus.FAILED})
    errors = [{"code": "wrong_content", "message": fault}]
    failed = {"status": DatasetStatus.FAILED, "validation_errors": errors}
    await change_dataset(work, dataset, failed)
    return True
