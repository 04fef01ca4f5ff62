"""Object storage: the one bucket, through any server that speaks S3.

Bytes travel between clients and the bucket by presigned requests. What passes through here is
streamed, so that memory stays bounded however large an object is.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aioboto3
from botocore.config import Config
from botocore.exceptions import ClientError

from domain.errors import Unavailable
from domain.s3 import (
    ANSWER_SECONDS,
    COPY_BYTES,
    DELETE_KEYS,
    MOST_PARTS,
    MOVE_SECONDS,
    Downloaded,
    GiB,
    MiB,
    NoSuchObject,
    NoSuchUpload,
    OpenMultipart,
    PresignedRequest,
    StoredPart,
    answered,
    attachment,
    moving_seconds,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from aiobotocore.response import StreamingBody

    from domain.s3 import Progress
    from domain.settings import Settings

CHUNK_BYTES = 4 * MiB
"""How much is hashed and written at once; large enough that a thread is worth its hand-over."""

PART_BYTES = 16 * MiB
"""The smallest part that `Storage.upload` sends; it holds one part in memory."""


class Storage:
    """A process's connections to the bucket. Credentials are the usual AWS variables'.

    Every method raises `Unavailable` when the server does not answer or is too busy.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bucket = settings.s3_bucket
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._signer: Any = None

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._bucket

    async def open(self) -> None:
        """Makes the clients; nothing is sent yet."""
        settings = self._settings
        session = aioboto3.Session(region_name=settings.s3_region)
        config = Config(
            signature_version="s3v4",
            # Hashing a body before it is sent would read it twice, and block the loop meanwhile.
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            # The newer checksum headers are unknown to many servers that speak S3.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "max_attempts": 3},
            connect_timeout=5,
            read_timeout=MOVE_SECONDS,
            max_pool_connections=32,
        )
        self._client = await self._stack.enter_async_context(
            session.client("s3", endpoint_url=settings.s3_endpoint_url, config=config)
        )
        self._signer = self._client
        if settings.s3_public_url is not None:
            self._signer = await self._stack.enter_async_context(
                session.client("s3", endpoint_url=settings.s3_public_url, config=config)
            )

    async def close(self) -> None:
        """Closes the connections."""
        await self._stack.aclose()

    async def ensure_bucket(self) -> None:
        """Makes the bucket where it does not exist."""
        try:
            async with answered():
                await self._client.head_bucket(Bucket=self._bucket)
        except NoSuchObject:
            region = self._settings.s3_region
            # S3 takes the name of every region here but that of its first one.
            place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
            async with answered():
                await self._client.create_bucket(
                    Bucket=self._bucket, **({} if region == "us-east-1" else place)
                )

    async def presign_put(
        self, key: str, size: int, content_type: str, seconds: int
    ) -> PresignedRequest:
        """Signs the PUT of an object of exactly ``size`` bytes, which holds for ``seconds``."""
        url = await self._signed(
            "put_object", seconds, Key=key, ContentLength=size, ContentType=content_type
        )
        return PresignedRequest("PUT", url, (("Content-Type", content_type),))

    async def presign_part(
        self, key: str, multipart_id: str, number: int, size: int, seconds: int
    ) -> PresignedRequest:
        """Signs the PUT of one part, counted from 1, of exactly ``size`` bytes."""
        url = await self._signed(
            "upload_part",
            seconds,
            Key=key,
            UploadId=multipart_id,
            PartNumber=number,
            ContentLength=size,
        )
        return PresignedRequest("PUT", url, ())

    async def presign_get(self, key: str, file_name: str, seconds: int) -> str:
        """Signs a GET that a browser saves as ``file_name``; it holds for ``seconds``."""
        return await self._signed(
            "get_object", seconds, Key=key, ResponseContentDisposition=attachment(file_name)
        )

    async def create_multipart(self, key: str, content_type: str) -> str:
        """Opens a multipart upload and gives its id."""
        async with answered():
            opened = await self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=content_type
            )
        return str(opened["UploadId"])

    async def list_parts(self, key: str, multipart_id: str) -> list[StoredPart]:
        """The parts that have arrived, by number. Raises `NoSuchUpload`."""
        parts: list[StoredPart] = []
        async with answered():
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self._bucket, Key=key, UploadId=multipart_id
            )
            async for page in pages:
                parts += [
                    StoredPart(part["PartNumber"], part["ETag"], part["Size"])
                    for part in page.get("Parts", ())
                ]
        return sorted(parts, key=lambda part: part.number)

    async def complete_multipart(
        self, key: str, multipart_id: str, parts: Sequence[StoredPart]
    ) -> None:
        """Makes one object of all its parts. Raises `NoSuchUpload`.

        Some servers abort the upload when a part is missing or its ETag is another's, so give what
        `list_parts` gave.
        """
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        async with answered(MOVE_SECONDS):
            await self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=multipart_id,
                MultipartUpload={"Parts": listed},
            )

    async def abort_multipart(self, key: str, multipart_id: str) -> None:
        """Drops a multipart upload with what has arrived; one that is not known is gone already."""
        try:
            async with answered():
                await self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=multipart_id
                )
        except NoSuchUpload:
            return

    async def list_multiparts(self, prefix: str) -> list[OpenMultipart]:
        """The open multipart uploads of keys that start with ``prefix``."""
        found: list[OpenMultipart] = []
        async with answered():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            async for page in pages:
                found += [
                    OpenMultipart(each["Key"], each["UploadId"], each["Initiated"])
                    for each in page.get("Uploads", ())
                ]
        return found

    async def head(self, key: str) -> int | None:
        """The size of an object in bytes, or None where there is none."""
        try:
            async with answered():
                found = await self._client.head_object(Bucket=self._bucket, Key=key)
        except NoSuchObject:
            return None
        return int(found["ContentLength"])

    async def first_bytes(self, key: str, count: int) -> bytes:
        """At most ``count`` bytes of an object's start. Raises `NoSuchObject`."""
        async with answered():
            answer = await self._client.get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes=0-{count - 1}"
            )
            async with answer["Body"] as body:
                return bytes(await body.read())

    async def copy(self, source: str, target: str) -> None:
        """Copies an object on the server's side. Raises `NoSuchObject`."""
        origin = {"Bucket": self._bucket, "Key": source}
        size = await self.head(source)
        if size is None:
            raise NoSuchObject(source)
        try:
            async with answered(moving_seconds(size)):
                await self._client.copy_object(Bucket=self._bucket, Key=target, CopySource=origin)
        except ClientError:
            # Some servers copy any size at once; S3 itself refuses to above its limit.
            if size <= COPY_BYTES:
                raise
            await self._copy_parts(origin, target, size)

    async def download(
        self, key: str, path: Path, on_progress: Progress | None = None
    ) -> Downloaded:
        """Writes an object to a file, hashing on the way. Raises `NoSuchObject`."""
        digest = hashlib.sha256()
        done = 0
        async with answered(None):
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._client.get_object(Bucket=self._bucket, Key=key)
            total = int(answer["ContentLength"])
            with path.open("wb") as file:

                def keep(chunk: bytearray) -> None:
                    digest.update(chunk)
                    file.write(chunk)

                async with answer["Body"]:
                    async for chunk in _chunks(answer["Body"]):
                        await asyncio.to_thread(keep, chunk)
                        done += len(chunk)
                        if on_progress is not None:
                            on_progress(done, total)
        if done != total:
            message = "The object storage broke off in the middle of an object."
            raise Unavailable(message)
        return Downloaded(done, digest.hexdigest())

    async def upload(
        self, path: Path, key: str, content_type: str, on_progress: Progress | None = None
    ) -> int:
        """Sends a file, large ones in parts of which one is in memory; gives its size in bytes."""
        total = (await asyncio.to_thread(path.stat)).st_size
        with path.open("rb") as file:
            if total <= PART_BYTES:
                body = await asyncio.to_thread(file.read)
                async with answered(moving_seconds(total)):
                    await self._client.put_object(
                        Bucket=self._bucket, Key=key, Body=body, ContentType=content_type
                    )
                if on_progress is not None:
                    on_progress(total, total)
                return total
            size = max(PART_BYTES, -(-total // MOST_PARTS))
            multipart_id = await self.create_multipart(key, content_type)
            try:
                parts = []
                for number in range(1, -(-total // size) + 1):
                    body = await asyncio.to_thread(file.read, size)
                    async with answered(moving_seconds(len(body))):
                        sent = await self._client.upload_part(
                            Bucket=self._bucket,
                            Key=key,
                            UploadId=multipart_id,
                            PartNumber=number,
                            Body=body,
                        )
                    parts.append(StoredPart(number, sent["ETag"], len(body)))
                    if on_progress is not None:
                        on_progress(min(number * size, total), total)
                await self.complete_multipart(key, multipart_id, parts)
            except BaseException:
                await self.abort_multipart(key, multipart_id)
                raise
        return total

    async def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; those that are not there are no error."""
        listed = list(keys)
        for start in range(0, len(listed), DELETE_KEYS):
            objects = [{"Key": key} for key in listed[start : start + DELETE_KEYS]]
            async with answered():
                answer = await self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
                )
            if answer.get("Errors"):
                message = "The object storage could not delete all objects."
                raise Unavailable(message)

    async def delete_prefix(self, prefix: str) -> int:
        """Deletes every object whose key starts with ``prefix``; gives how many there were."""
        found: list[str] = []
        async with answered(None):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            async for page in pages:
                found += [each["Key"] for each in page.get("Contents", ())]
        await self.delete(found)
        return len(found)

    async def _signed(self, operation: str, seconds: int, **params: str | int) -> str:
        # Signing is arithmetic: no request is sent.
        params["Bucket"] = self._bucket
        return str(
            await self._signer.generate_presigned_url(operation, Params=params, ExpiresIn=seconds)
        )

    async def _copy_parts(self, origin: dict[str, str], target: str, size: int) -> None:
        multipart_id = await self.create_multipart(target, "application/octet-stream")
        part = max(GiB, -(-size // MOST_PARTS))
        parts = []
        try:
            for number, start in enumerate(range(0, size, part), start=1):
                end = min(start + part, size)
                async with answered(moving_seconds(end - start)):
                    copied = await self._client.upload_part_copy(
                        Bucket=self._bucket,
                        Key=target,
                        UploadId=multipart_id,
                        PartNumber=number,
                        CopySource=origin,
                        CopySourceRange=f"bytes={start}-{end - 1}",
                    )
                parts.append(StoredPart(number, copied["CopyPartResult"]["ETag"], end - start))
            await self.complete_multipart(target, multipart_id, parts)
        except BaseException:
            await self.abort_multipart(target, multipart_id)
            raise


async def _chunks(body: StreamingBody) -> AsyncIterator[bytearray]:
    # The driver gives what has just arrived, which is too little to hand to a thread.
    gathered = bytearray()
    while True:
        async with asyncio.timeout(ANSWER_SECONDS):
            piece = await body.read(CHUNK_BYTES)
        if not piece:
            break
        gathered += piece
        if len(gathered) >= CHUNK_BYTES:
            yield gathered
            gathered = bytearray()
    if gathered:
        yield gathered
