"""Uploads that nobody comes back for: completed where their bytes are there, else expired."""

from __future__ import annotations

import logging
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from domain.catalog.actions.uploads import change_upload, note_progress
from domain.catalog.models import Dataset, DatasetStatus, Upload, UploadStatus
from domain.errors import DomainError, Unavailable
from domain.lifecycle.completion import complete_upload
from domain.lifecycle.flow import Flow, clear_incoming, clear_incoming_now_or_later
from domain.lifecycle.parts import arrived_parts, missing_parts
from domain.scope import Identity
from domain.statements import columns
from domain.work import running, working

if TYPE_CHECKING:
    from domain.bell import Bell
    from domain.database import Database, Row
    from domain.storage import Storage
    from domain.work import Work

log = logging.getLogger(__name__)


class Swept(StrEnum):
    """What became of an upload that was due."""

    OPEN = "open"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CLEARED = "cleared"


async def due_uploads(database: Database, limit: int) -> list[Row]:
    """At most ``limit`` uploads to look at: ``id``, ``department_id``, ``owner_id``, ``state``.

    The state is ``open`` for one that has not changed for a minute, ``expired`` for one whose time
    is up, and ``leftover`` for one that is over, but whose requests could have sent bytes since.
    """
    return await database.call("select * from sweep_uploads($1)", limit)


async def sweep_upload(database: Database, bell: Bell, storage: Storage, due: Row) -> Swept:
    """Takes one upload that is due to where it belongs. Raises `Unavailable`.

    One whose bytes are all there is completed on behalf of whoever began it, even if its time is
    up; where that account may no longer do so, it expires.
    """
    opened = partial(running, database, due.department_id, due.owner_id, bell)
    async with opened() as work:
        upload = await _upload(work, due)
    if upload is None:
        return Swept.OPEN
    if due.state == "leftover":
        await clear_incoming(storage, upload)
        async with opened() as work:
            await change_upload(work, upload, {"is_temporary": False})
        return Swept.CLEARED
    arrived = await arrived_parts(storage, upload) or []
    if not missing_parts(upload, arrived):
        owner = Identity(due.owner_id, None, str(due.department_id))
        flow = Flow(partial(working, database, owner, bell), storage)
        try:
            await complete_upload(flow, upload.id, late=True)
        except Unavailable:
            raise
        except DomainError as refusal:
            log.info("upload %s could not be completed: %s", upload.id, refusal.message)
        else:
            return Swept.COMPLETED
    async with opened() as work:
        if due.state != "expired":
            # Noting it also puts off the next look at it by a minute.
            await note_progress(work, upload, arrived)
            return Swept.OPEN
        expired = await _expire(work, upload)
    if not expired:
        return Swept.OPEN
    await clear_incoming_now_or_later(storage, upload)
    return Swept.EXPIRED


async def _upload(work: Work, due: Row) -> Row | None:
    # Row-level security keeps this inside the department; a running work has no permissions.
    return await work.row(
        select(*columns(Upload)).where(
            Upload.id == due.id, Upload.department_id == due.department_id
        ),
        Upload,
    )


async def _expire(work: Work, upload: Row) -> bool:
    message = "The upload expired before all bytes had arrived."
    await work.rows(
        update(Dataset)
        .where(
            Dataset.id == upload.dataset_id,
            Dataset.department_id == upload.department_id,
            Dataset.status == DatasetStatus.UPLOADING,
        )
        .values(
            status=DatasetStatus.FAILED,
            validation_errors=[{"code": "upload_expired", "message": message}],
        )
    )
    return await change_upload(work, upload, {"status": UploadStatus.EXPIRED})
