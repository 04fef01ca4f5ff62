"""What a change works with that spans the database and the bucket.

No request to the bucket is sent while a transaction is open, so each of them is a few works with
requests between. A crash between leaves a state that the next call, or the sweeper, goes on from.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from domain.database import Row
    from domain.storage import Storage
    from domain.work import Work


@dataclass(frozen=True, slots=True)
class Flow:
    """The bucket, and how to open a work for whoever asks."""

    work: Callable[[], AbstractAsyncContextManager[Work]]
    storage: Storage


async def clear_incoming(storage: Storage, upload: Row) -> None:
    """Removes what has arrived of an upload. Raises `Unavailable`."""
    if upload.s3_multipart_id is not None:
        await storage.abort_multipart(upload.s3_key, upload.s3_multipart_id)
    await storage.delete([upload.s3_key])


async def clear_incoming_now_or_later(storage: Storage, upload: Row) -> None:
    """Removes what has arrived of an upload that is over; what fails here the sweeper does."""
    with suppress(Unavailable):
        await clear_incoming(storage, upload)
