"""What the database knows of an upload: its making, its plan of parts, and how far it has come.

The bytes travel between the client and the bucket; ``domain.lifecycle`` joins the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, update

from domain.catalog import files, keys, names
from domain.catalog.actions.seen import seen_department, seen_upload, seen_workspace
from domain.catalog.actions.workspaces import default_workspace
from domain.catalog.models import Dataset, Upload, UploadStatus
from domain.errors import Conflict, Forbidden, InvalidInput
from domain.permissions import Permission
from domain.s3 import MOST_PARTS
from domain.statements import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from domain.database import Row
    from domain.s3 import StoredPart
    from domain.settings import Settings
    from domain.work import Work

MiB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What a client promises to send. ``sha256`` is in hexadecimal, ``department`` a code or id."""

    file_name: str
    size_bytes: int
    name: str | None = None
    description: str | None = None
    content_type: str | None = None
    sha256: str | None = None
    department: str | None = None
    workspace_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is sent: ``count`` parts of ``part_bytes``, the last one with what is left."""

    part_bytes: int
    count: int


def plan_for(size: int, settings: Settings) -> Plan:
    """One part up to the size of a single PUT, above it as many as the part size makes.

    Parts grow where there would be more than S3 allows.
    """
    if size <= settings.upload_single_bytes:
        return Plan(size, 1)
    least = -(-size // MOST_PARTS)
    part = max(settings.upload_part_bytes, -(-least // MiB) * MiB)
    return Plan(part, -(-size // part))


def part_size(upload: Row, number: int) -> int:
    """The size in bytes of a part, counted from 1."""
    start = (number - 1) * int(upload.part_size_bytes)
    return int(min(upload.part_size_bytes, upload.file_size_bytes - start))


async def create_upload(
    work: Work,
    new: NewUpload,
    *,
    settings: Settings,
    bucket: str,
    idempotency_key: str | None = None,
) -> Row:
    """Makes a dataset that waits for its bytes, and the upload that will bring them.

    Gives the upload. Raises `InvalidInput` for what can't be ingested, `NotFound` for an unseen
    department or workspace, `Forbidden`, and `Conflict` for a key that was used otherwise.
    """
    file_name = names.file_named(new.file_name, "fileName")
    media = names.media_named(new.content_type, "contentType") if new.content_type else None
    ending = files.ending_of(file_name, media)
    name = file_name if new.name is None else names.named(new.name, "name")
    description = names.described(new.description, "description")
    digest = names.hash_named(new.sha256, "sha256")
    _check_size(new.size_bytes, settings)
    workspace = None
    if new.workspace_id is not None:
        workspace = await seen_workspace(work, new.workspace_id, stays=True)
    if workspace is not None and new.department is None:
        department_id = workspace.department_id
    else:
        department_id = (await seen_department(work, new.department)).id
    work.require(Permission.DATASET_WRITE, department_id)
    before = await work.once("createUpload", idempotency_key, _given(new))
    if before is not None:
        return await seen_upload(work, before)
    if workspace is None:
        workspace = await default_workspace(work, department_id)
    if workspace.department_id != department_id:
        message = "This workspace belongs to another department than the one that is named."
        raise InvalidInput.at("workspaceId", message, "other_department")
    common = {
        "department_id": department_id,
        "file_type": files.EXTENSIONS[ending],
        "content_type": media or files.STANDARD[ending],
        "file_size_bytes": new.size_bytes,
    }
    dataset = await work.row(
        insert(Dataset)
        .values(
            **common,
            workspace_id=workspace.id,
            uploader_id=work.user_id,
            name=name,
            description=description,
            s3_bucket=bucket,
        )
        .returning(Dataset.id),
        Dataset,
    )
    assert dataset is not None  # noqa: S101 (an insert of one row gives one row)
    plan = plan_for(new.size_bytes, settings)
    upload_id = await work.new_id()
    upload = await work.row(
        insert(Upload)
        .values(
            **common,
            id=upload_id,
            dataset_id=dataset.id,
            owner_id=work.user_id,
            file_name=file_name,
            s3_key=keys.incoming(upload_id),
            file_hash_sha256=digest,
            part_size_bytes=plan.part_bytes,
            total_chunks=plan.count,
            expires_at=func.now() + timedelta(hours=settings.upload_expiry_hours),
        )
        .returning(*columns(Upload)),
        Upload,
    )
    assert upload is not None  # noqa: S101 (an insert of one row gives one row)
    await work.made(idempotency_key, upload_id)
    return upload


async def own_upload(work: Work, upload_id: UUID, *, lock: bool = False) -> Row:
    """The upload, which the caller began and may still send. Raises `NotFound` and `Forbidden`."""
    upload = await seen_upload(work, upload_id, lock=lock)
    work.require(Permission.DATASET_WRITE, upload.department_id)
    if upload.owner_id != work.user_id:
        message = "Only whoever began this upload can send and complete it."
        raise Forbidden(message)
    return upload


def require_open(upload: Row, *, late: bool = False) -> None:
    """Lets an upload through that still takes bytes; ``late`` also one whose time is up.

    Raises `Conflict`.
    """
    if upload.status == UploadStatus.EXPIRED or (upload.expired and not late):
        message = "This upload has expired. Start a new one."
    elif upload.status != UploadStatus.UPLOADING:
        message = f"This upload is {upload.status}, so it takes nothing more. Start a new one."
    else:
        return
    raise Conflict(message)


async def change_upload(work: Work, upload: Row, values: Mapping[str, object]) -> bool:
    """Changes an upload that is still at the status that it was read with; says whether it was."""
    row = await work.row(
        update(Upload)
        .where(
            Upload.id == upload.id,
            Upload.department_id == upload.department_id,
            Upload.status == upload.status,
        )
        .values(dict(values))
        .returning(Upload.id)
    )
    return row is not None


async def note_multipart(work: Work, upload: Row, multipart_id: str) -> Row | None:
    """Stores the id of a multipart upload in place of the one that ``upload`` was read with.

    Gives None where somebody else has stored another meanwhile.
    """
    return await work.row(
        update(Upload)
        .where(
            Upload.id == upload.id,
            Upload.department_id == upload.department_id,
            Upload.status == upload.status,
            Upload.s3_multipart_id.is_not_distinct_from(upload.s3_multipart_id),
        )
        .values(s3_multipart_id=multipart_id, uploaded_chunks=0, upload_progress=0)
        .returning(*columns(Upload)),
        Upload,
    )


async def note_progress(work: Work, upload: Row, parts: Iterable[StoredPart]) -> None:
    """Notes which share of an upload has arrived, in percent, and in how many parts."""
    arrived = list(parts)
    share = sum(part.size for part in arrived) * 100 // upload.file_size_bytes
    progress = {
        "uploaded_chunks": min(len(arrived), upload.total_chunks),
        "upload_progress": min(share, 100),
    }
    await change_upload(work, upload, progress)


def _check_size(size: int, settings: Settings) -> None:
    if size <= 0:
        raise InvalidInput.at("sizeBytes", "An empty file can't be ingested.", "empty")
    if size > settings.upload_max_bytes:
        message = f"A file has at most {settings.upload_max_bytes} bytes here."
        raise InvalidInput.at("sizeBytes", message, "too_large")


def _given(new: NewUpload) -> dict[str, object]:
    return {
        "fileName": new.file_name,
        "sizeBytes": new.size_bytes,
        "name": new.name,
        "description": new.description,
        "contentType": new.content_type,
        "sha256": new.sha256,
        "department": new.department,
        "workspaceId": new.workspace_id,
    }
