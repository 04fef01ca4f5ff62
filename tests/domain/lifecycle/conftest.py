"""A bucket, people of a department, and uploads so small that their parts are sent in no time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from domain.bell import Silence
from domain.catalog.actions.seen import seen_upload
from domain.catalog.actions.uploads import NewUpload
from domain.lifecycle.flow import Flow
from domain.lifecycle.parts import UploadPart, presigned_parts
from domain.lifecycle.uploads import start_upload
from domain.storage import Storage
from domain.work import working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from domain.database import Database, Row
    from domain.settings import Settings
    from tests.factories.rows import Person, Rows

MiB = 1024 * 1024


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    storage = Storage(settings)
    await storage.open()
    yield storage
    await storage.close()


@dataclass(frozen=True, slots=True)
class Sender:
    """A client of one person."""

    database: Database
    storage: Storage
    settings: Settings
    person: Person

    @property
    def flow(self) -> Flow:
        """What the person's changes go through."""
        return Flow(
            partial(working, self.database, self.person.identity(), Silence()), self.storage
        )

    async def begin(self, content: bytes, name: str = "sales.csv", key: str | None = None) -> UUID:
        """Promises these bytes."""
        new = NewUpload(name, len(content))
        return await start_upload(self.flow, new, self.settings, idempotency_key=key)

    async def upload(self, upload_id: UUID) -> Row:
        """The upload as its owner sees it."""
        async with working(self.database, self.person.identity(), Silence()) as work:
            work.own()
            return await seen_upload(work, upload_id)

    async def parts(self, upload_id: UUID) -> list[UploadPart]:
        """Fresh requests."""
        return await presigned_parts(self.storage, await self.upload(upload_id))

    async def send(
        self, upload_id: UUID, content: bytes, only: list[int] | None = None
    ) -> dict[int, str]:
        """Sends the parts of these bytes, all or some, and gives their ETags."""
        etags = {}
        at = 0
        async with httpx.AsyncClient(timeout=30) as client:
            for part in await self.parts(upload_id):
                body = content[at : at + part.size_bytes]
                at += part.size_bytes
                if only is None or part.number in only:
                    request = part.request
                    answer = await client.put(
                        request.url, content=body, headers=dict(request.headers)
                    )
                    assert answer.status_code == 200, answer.text
                    etags[part.number] = answer.headers["etag"]
        return etags


@pytest.fixture
def small(settings: Settings) -> Settings:
    """Settings under which 5 MiB and more go in parts."""
    return settings.model_copy(
        update={"upload_single_bytes": 5 * MiB - 1, "upload_part_bytes": 5 * MiB}
    )


@pytest.fixture
async def department(rows: Rows) -> UUID:
    return await rows.department()


@pytest.fixture
async def editor(rows: Rows, department: UUID) -> Person:
    return await rows.person(department, roles=("editor",))


@pytest.fixture
def sender(database: Database, storage: Storage, small: Settings, editor: Person) -> Sender:
    return Sender(database, storage, small, editor)


def as_another(sender: Sender, person: Person) -> Sender:
    """The same client in other hands."""
    return Sender(sender.database, sender.storage, sender.settings, person)
