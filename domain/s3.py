"""What every S3 server answers: its limits, the records of its answers, and its errors as ours."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    Progress = Callable[[int, int], None]
    """Told how many bytes of how many are done."""

MiB = 1024 * 1024
GiB = 1024 * MiB

MOST_PARTS = 10_000
"""S3's limit on the parts of one object."""

COPY_BYTES = 5 * GiB
"""S3's limit on one CopyObject; larger objects are copied in parts."""

DELETE_KEYS = 1000
"""S3's limit on the keys of one DeleteObjects."""

ANSWER_SECONDS = 30
"""How long a request that moves no bytes may take."""

MOVED_BYTES = MiB
"""How many bytes are moved in a second at least, to the server or on its own side."""

MOVE_SECONDS = 3600
"""How long the server may be silent while it copies an object on its own side."""

_BUSY = frozenset({"SlowDown", "Throttling", "RequestTimeout"})
_LOST = (NotConnected, HTTPClientError, aiohttp.ClientError, TimeoutError)


class NoSuchObject(Exception):
    """Nothing lies under this key."""


class NoSuchUpload(Exception):
    """The multipart upload is not known: completed, aborted, or forgotten by the server."""


@dataclass(frozen=True, slots=True)
class PresignedRequest:
    """A request that whoever holds it may send until it expires, with exactly these headers."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of a multipart upload that has arrived; ``size`` in bytes."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class OpenMultipart:
    """A multipart upload that nobody has completed or aborted."""

    key: str
    multipart_id: str
    initiated_at: datetime


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What a download wrote: its size in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


def moving_seconds(size: int) -> float:
    """How long the server may take over ``size`` bytes before it counts as hanging."""
    return ANSWER_SECONDS + size / MOVED_BYTES


def attachment(file_name: str) -> str:
    """The Content-Disposition that has a browser save under ``file_name`` (RFC 6266)."""
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in file_name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


@asynccontextmanager
async def answered(seconds: float | None = ANSWER_SECONDS) -> AsyncIterator[None]:
    """Turns the driver's errors into ours, and silence of ``seconds`` into one."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "NoSuchUpload":
            raise NoSuchUpload from error
        if code in {"NoSuchKey", "404", "NotFound"}:
            raise NoSuchObject from error
        if status >= 500 or code in _BUSY:  # noqa: PLR2004 (HTTP's own bound)
            message = "The object storage is busy."
            raise Unavailable(message) from error
        raise
    except _LOST as error:
        message = "The object storage does not answer."
        raise Unavailable(message) from error
