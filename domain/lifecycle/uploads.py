"""Beginning, resuming and giving up an upload."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func

from domain.catalog.actions.datasets import change_dataset
from domain.catalog.actions.seen import seen_dataset, seen_upload
from domain.catalog.actions.uploads import (
    change_upload,
    create_upload,
    note_multipart,
    note_progress,
    own_upload,
    require_open,
)
from domain.catalog.models import UploadStatus
from domain.errors import Conflict
from domain.lifecycle.flow import clear_incoming_now_or_later
from domain.lifecycle.parts import arrived_parts, missing_parts
from domain.permissions import Permission

if TYPE_CHECKING:
    from domain.catalog.actions.uploads import NewUpload
    from domain.database import Row
    from domain.lifecycle.flow import Flow
    from domain.settings import Settings


async def start_upload(
    flow: Flow, new: NewUpload, settings: Settings, *, idempotency_key: str | None = None
) -> UUID:
    """Makes an upload with its dataset, opens what it is sent to, and gives its id.

    Raises as `create_upload` does, and `Unavailable`.
    """
    async with flow.work() as work:
        upload = await create_upload(
            work,
            new,
            settings=settings,
            bucket=flow.storage.bucket,
            idempotency_key=idempotency_key,
        )
    if _wants_multipart(upload):
        await _open_multipart(flow, upload)
    return UUID(str(upload.id))


async def resume_upload(flow: Flow, upload_id: UUID) -> list[int]:
    """Asks the bucket what has arrived, and gives the numbers of the parts that are missing.

    A multipart upload that the bucket has forgotten is opened anew, without parts. Raises
    `NotFound`, `Forbidden` for another's upload, and `Conflict` for one that takes no more.
    """
    async with flow.work() as work:
        upload = await own_upload(work, upload_id)
        require_open(upload)
    arrived = await arrived_parts(flow.storage, upload)
    if arrived is None:
        upload = await _open_multipart(flow, upload)
        arrived = await arrived_parts(flow.storage, upload) or []
    async with flow.work() as work:
        await own_upload(work, upload_id)
        await note_progress(work, upload, arrived)
    return missing_parts(upload, arrived)


async def abort_upload(flow: Flow, upload_id: UUID) -> None:
    """Gives an upload up: its bytes and its dataset go. A second call changes nothing.

    Raises `NotFound`, `Forbidden` for another's upload without dataset:delete, and `Conflict` for
    one that is complete or has expired.
    """
    async with flow.work() as work:
        upload = await seen_upload(work, upload_id)
        if upload.owner_id == work.user_id:
            work.require(Permission.DATASET_WRITE, upload.department_id)
        else:
            work.require(Permission.DATASET_DELETE, upload.department_id)
        if upload.status != UploadStatus.ABORTED:
            dataset = await seen_dataset(work, upload.dataset_id)
            upload = await seen_upload(work, upload_id, lock=True)
        if upload.status != UploadStatus.ABORTED:
            if upload.status != UploadStatus.UPLOADING:
                message = f"This upload is {upload.status}, so there is nothing to abort."
                raise Conflict(message)
            await change_upload(work, upload, {"status": UploadStatus.ABORTED})
            # A dataset that never got its bytes is nothing that anybody would look for.
            await change_dataset(work, dataset, {"deleted_at": func.now()})
    await clear_incoming_now_or_later(flow.storage, upload)


def _wants_multipart(upload: Row) -> bool:
    return bool(
        upload.total_chunks > 1
        and upload.s3_multipart_id is None
        and upload.status == UploadStatus.UPLOADING
    )


async def _open_multipart(flow: Flow, upload: Row) -> Row:
    # Twins may both open one: the first to note it wins, and the other drops its own.
    opened = await flow.storage.create_multipart(upload.s3_key, upload.content_type)
    async with flow.work() as work:
        await own_upload(work, upload.id)
        noted = await note_multipart(work, upload, opened)
        current = noted or await seen_upload(work, upload.id)
    if noted is None:
        await flow.storage.abort_multipart(upload.s3_key, opened)
    return current
