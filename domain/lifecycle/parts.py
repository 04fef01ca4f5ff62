"""The parts of an upload: the requests that send them, and which of them have arrived."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from domain.catalog.actions.uploads import part_size
from domain.catalog.models import UploadStatus
from domain.permissions import Permission
from domain.s3 import NoSuchUpload, PresignedRequest, StoredPart

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.database import Row
    from domain.scope import Scope
    from domain.storage import Storage

LONGEST_SECONDS = 7 * 24 * 3600
"""How long SigV4 lets a presigned request hold."""

SIGNED_AT_ONCE = 50
"""A signature takes about 0.2 ms; after this many the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class UploadPart:
    """A part, counted from 1, and the request that sends its ``size_bytes``."""

    number: int
    size_bytes: int
    request: PresignedRequest


def may_send(upload: Row, user_id: UUID, scope: Scope) -> bool:
    """Whether this user may send the bytes of an upload: whoever began it, while still allowed."""
    return bool(upload.owner_id == user_id and Permission.DATASET_WRITE in scope.permissions)


async def presigned_parts(storage: Storage, upload: Row) -> list[UploadPart]:
    """The requests that send an upload, which hold until it expires; none when it takes no more.

    An upload of many parts whose multipart upload is not open has none: resuming it opens one.
    """
    left = int((upload.expires_at - datetime.now(UTC)).total_seconds())
    if upload.status != UploadStatus.UPLOADING or left < 1:
        return []
    seconds = min(left, LONGEST_SECONDS)
    if upload.total_chunks == 1:
        size = upload.file_size_bytes
        request = await storage.presign_put(upload.s3_key, size, upload.content_type, seconds)
        return [UploadPart(1, size, request)]
    if upload.s3_multipart_id is None:
        return []
    parts = []
    for number in range(1, upload.total_chunks + 1):
        size = part_size(upload, number)
        request = await storage.presign_part(
            upload.s3_key, upload.s3_multipart_id, number, size, seconds
        )
        parts.append(UploadPart(number, size, request))
        if number % SIGNED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return parts


async def arrived_parts(storage: Storage, upload: Row) -> list[StoredPart] | None:
    """The parts that the bucket holds; None where it does not know the multipart upload.

    An object of the promised size is all of them, whatever became of the multipart upload.
    """
    if upload.total_chunks > 1 and upload.s3_multipart_id is not None:
        try:
            return await storage.list_parts(upload.s3_key, upload.s3_multipart_id)
        except NoSuchUpload:
            pass
    size = await storage.head(upload.s3_key)
    if size == upload.file_size_bytes:
        return [
            StoredPart(number, "", part_size(upload, number))
            for number in range(1, upload.total_chunks + 1)
        ]
    if upload.total_chunks > 1:
        return None
    return [] if size is None else [StoredPart(1, "", size)]


def missing_parts(upload: Row, arrived: Sequence[StoredPart]) -> list[int]:
    """The numbers of the parts that have not arrived, or not in their size."""
    sizes = {part.number: part.size for part in arrived}
    return [
        number
        for number in range(1, upload.total_chunks + 1)
        if sizes.get(number) != part_size(upload, number)
    ]
