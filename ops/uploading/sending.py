"""Brings a file to the server: makes or resumes the upload, sends what is missing, completes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from ops.client import Client, GraphRefused
from ops.failure import CommandFailed
from ops.uploading.memory import Remembered
from ops.uploading.parts import Part, Stale, send_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.uploading.file import LocalFile, Told

ROUNDS = 3
"""How often what is missing is sent, when the storage forgets parts or addresses run out."""

ANSWER = """
{
  upload {
    id
    parts { number method url sizeBytes headers { name value } }
    node { partSizeBytes }
  }
  dataset { id }
}
"""

CREATE = f"mutation Create($input: CreateUploadInput!) {{ createUpload(input: $input) {ANSWER} }}"

RESUME = f"mutation Resume($input: ResumeUploadInput!) {{ resumeUpload(input: $input) {ANSWER} }}"

COMPLETE = """
mutation Complete($input: CompleteUploadInput!) {
  completeUpload(input: $input) { dataset { id } job { id } }
}
"""

GONE = frozenset({"NOT_FOUND", "FORBIDDEN", "CONFLICT", "INVALID_INPUT"})
"""What a resumed upload is answered when it can't be resumed: over, expired, or somebody else's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the dataset is to be; whatever is None is left to the server."""

    department: str
    name: str | None = None
    description: str | None = None
    workspace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as the server knows it, with the parts that have not arrived."""

    id: str
    dataset_id: str
    missing: list[Part]

    @property
    def missing_bytes(self) -> int:
        """How much the storage does not have yet."""
        return sum(part.size for part in self.missing)


async def begin_upload(client: Client, file: LocalFile, wanted: Wanted) -> Upload:
    """Goes on with the upload of this file that was interrupted, or begins one.

    Raises `GraphRefused`, and `CommandFailed` when the server does not answer.
    """
    remembered = Remembered(client.server, wanted.department, file.sha256)
    known = remembered.upload_id()
    if known is not None:
        try:
            return await _resumed(client, known)
        except GraphRefused as refused:
            if refused.code not in GONE:
                raise
            remembered.forget()
    given = {
        "fileName": file.path.name,
        "sizeBytes": file.size,
        "sha256": file.sha256,
        "department": wanted.department,
        "name": wanted.name,
        "description": wanted.description,
        "workspaceId": wanted.workspace_id,
    }
    upload = _read((await client.ask(CREATE, {"input": given}))["createUpload"])
    remembered.remember(upload.id)
    return upload


async def finish_upload(
    client: Client, file: LocalFile, wanted: Wanted, upload: Upload, told: Told
) -> None:
    """Sends what is missing and completes the upload; ``told`` hears of the bytes.

    When the storage has forgotten parts, or their addresses have run out, it asks anew what is
    missing. Raises `GraphRefused` and `CommandFailed`.
    """
    remembered = Remembered(client.server, wanted.department, file.sha256)
    done = file.size - upload.missing_bytes

    def count(size: int) -> None:
        nonlocal done
        done += size
        told(size)

    async with httpx.AsyncClient(trust_env=client.proxied) as http:
        for last in (*[False] * (ROUNDS - 1), True):
            try:
                etags = await send_parts(http, file.path, upload.missing, count)
                await _complete(client, upload.id, etags)
            except Stale:
                if last:
                    message = "the object storage takes no part of this upload: start it again."
                    remembered.forget()
                    raise CommandFailed(message) from None
            except GraphRefused as refused:
                if last or refused.code != "CONFLICT":
                    remembered.forget()
                    raise
            else:
                remembered.forget()
                return
            upload = await _resumed(client, upload.id)
            count(file.size - upload.missing_bytes - done)


async def _resumed(client: Client, upload_id: str) -> Upload:
    return _read((await client.ask(RESUME, {"input": {"uploadId": upload_id}}))["resumeUpload"])


async def _complete(client: Client, upload_id: str, etags: Mapping[int, str]) -> None:
    parts = [{"number": number, "etag": etag} for number, etag in sorted(etags.items()) if etag]
    await client.ask(COMPLETE, {"input": {"uploadId": upload_id, "parts": parts}})


def _read(answer: Mapping[str, Any]) -> Upload:
    upload, part_bytes = answer["upload"], int(answer["upload"]["node"]["partSizeBytes"])
    parts = [Part.read(part, part_bytes) for part in upload["parts"]]
    return Upload(upload["id"], answer["dataset"]["id"], parts)
