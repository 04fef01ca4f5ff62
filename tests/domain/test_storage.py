from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import socket
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from domain.errors import Unavailable
from domain.s3 import NoSuchObject, NoSuchUpload, PresignedRequest, StoredPart
from domain.storage import PART_BYTES, Storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from domain.settings import Settings

MiB = 1024 * 1024


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    storage = Storage(settings)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def key() -> str:
    return f"tests/{uuid4()}"


async def sent(request: PresignedRequest, body: bytes, **headers: str) -> int:
    """Sends a presigned request; a server that hangs up on a body it refuses answers 403 here."""
    async with httpx.AsyncClient(timeout=30) as client:
        try:
            answer = await client.request(
                request.method,
                request.url,
                content=body,
                headers={**dict(request.headers), **headers},
            )
        except (httpx.ReadError, httpx.WriteError):
            return 403
    return answer.status_code


async def put(storage: Storage, key: str, body: bytes) -> None:
    request = await storage.presign_put(key, len(body), "text/csv", 60)
    assert await sent(request, body) == 200


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
async def test_makes_a_missing_bucket_once(settings: Settings, region: str) -> None:
    storage = Storage(
        settings.model_copy(update={"s3_bucket": f"made-{uuid4()}", "s3_region": region})
    )
    await storage.open()
    await storage.ensure_bucket()
    await storage.ensure_bucket()
    await put(storage, "a", b"1")
    assert await storage.head("a") == 1
    await storage.close()


async def test_a_presigned_put_takes_exactly_the_signed_size(storage: Storage, key: str) -> None:
    request = await storage.presign_put(key, 5, "text/csv", 60)
    assert "content-length" in request.url
    assert await sent(request, b"hell") == 403
    assert await sent(request, b"hello!") == 403
    assert await storage.head(key) is None
    assert await sent(request, b"hello") == 200
    assert await storage.head(key) == 5


async def test_a_presigned_put_takes_only_its_key_and_type(storage: Storage, key: str) -> None:
    request = await storage.presign_put(key, 5, "text/csv", 60)
    other = PresignedRequest("PUT", request.url.replace(key, f"{key}x"), request.headers)
    assert await sent(other, b"hello") == 403
    assert await sent(request, b"hello", **{"Content-Type": "text/html"}) == 403
    assert await storage.head(key) is None


async def test_signs_for_the_public_host(settings: Settings, key: str) -> None:
    public = "http://files.example.test:9000"
    storage = Storage(settings.model_copy(update={"s3_public_url": public}))
    await storage.open()
    assert (await storage.presign_put(key, 5, "text/csv", 60)).url.startswith(f"{public}/test-")
    assert (await storage.presign_part(key, "m", 1, 5, 60)).url.startswith(f"{public}/test-")
    assert (await storage.presign_get(key, "a.csv", 60)).startswith(f"{public}/test-")
    assert await storage.head(key) is None
    await storage.close()


async def test_a_presigned_get_is_saved_under_its_name(storage: Storage, key: str) -> None:
    await put(storage, key, b"a,b\n")
    url = await storage.presign_get(key, 'Bericht "März"\r\n.csv', 60)
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.content == b"a,b\n"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Bericht _M_rz___.csv"; '
        "filename*=UTF-8''Bericht%20%22M%C3%A4rz%22%0D%0A.csv"
    )


async def test_parts_become_one_object(storage: Storage, key: str) -> None:
    first, second = os.urandom(5 * MiB), b"the end"
    multipart_id = await storage.create_multipart(key, "text/csv")
    for number, body in enumerate((first, second), start=1):
        request = await storage.presign_part(key, multipart_id, number, len(body), 60)
        assert await sent(request, body[:-1]) == 403
        assert await sent(request, body) == 200
    parts = await storage.list_parts(key, multipart_id)
    assert [(part.number, part.size) for part in parts] == [(1, 5 * MiB), (2, 7)]
    assert await storage.head(key) is None
    assert [each.key for each in await storage.list_multiparts(key)] == [key]
    await storage.complete_multipart(key, multipart_id, parts)
    assert await storage.head(key) == 5 * MiB + 7
    assert await storage.first_bytes(key, 10) == first[:10]
    assert await storage.list_multiparts(key) == []


async def test_an_unknown_multipart_upload_is_told(storage: Storage, key: str) -> None:
    multipart_id = await storage.create_multipart(key, "text/csv")
    await storage.abort_multipart(key, multipart_id)
    await storage.abort_multipart(key, multipart_id)
    with pytest.raises(NoSuchUpload):
        await storage.list_parts(key, multipart_id)
    with pytest.raises(NoSuchUpload):
        await storage.complete_multipart(key, multipart_id, [StoredPart(1, '"e"', 1)])


async def test_a_missing_object_is_told(storage: Storage, key: str, tmp_path: Path) -> None:
    assert await storage.head(key) is None
    with pytest.raises(NoSuchObject):
        await storage.first_bytes(key, 4)
    with pytest.raises(NoSuchObject):
        await storage.copy(key, f"{key}-copy")
    with pytest.raises(NoSuchObject):
        await storage.download(key, tmp_path / "a")


async def test_copies_on_the_servers_side(storage: Storage, key: str) -> None:
    await put(storage, key, b"a,b\n1,2\n")
    await storage.copy(key, f"{key}-raw/copy.csv")
    assert await storage.first_bytes(f"{key}-raw/copy.csv", 100) == b"a,b\n1,2\n"


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
async def test_a_file_goes_in_and_out(
    storage: Storage, key: str, tmp_path: Path, size: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    told: list[tuple[int, int]] = []
    count = await storage.upload(
        source, key, "text/csv", lambda done, total: told.append((done, total))
    )
    assert count == size
    assert told[-1] == (size, size)
    assert told == sorted(told)
    told.clear()
    got = await storage.download(key, target, lambda done, total: told.append((done, total)))
    assert target.read_bytes() == source.read_bytes()
    assert (got.size, got.sha256) == (size, hashlib.sha256(source.read_bytes()).hexdigest())
    assert told[-1:] == ([(size, size)] if size else [])


async def test_a_large_file_passes_in_bounded_memory(
    storage: Storage, key: str, tmp_path: Path
) -> None:
    size = 400 * MiB
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for _ in range(size // MiB):
            file.write(os.urandom(MiB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await storage.upload(source, key, "text/csv")
    await storage.download(key, target)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    await storage.delete([key])
    assert target.stat().st_size == size
    assert grown < 150 * MiB


async def test_a_failed_upload_leaves_no_parts(storage: Storage, key: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(3 * PART_BYTES))

    def told(done: int, _total: int) -> None:
        if done > PART_BYTES:
            raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        await storage.upload(source, key, "text/csv", told)
    assert await storage.list_multiparts(key) == []
    assert await storage.head(key) is None


async def test_deletes_by_key_and_by_prefix(storage: Storage, key: str) -> None:
    for name in ("a/1", "a/2", "b"):
        await put(storage, f"{key}/{name}", b"1")
    await storage.delete([f"{key}/b", f"{key}/never-there"])
    assert await storage.head(f"{key}/b") is None
    assert await storage.delete_prefix(f"{key}/a/") == 2
    assert await storage.delete_prefix(f"{key}/a/") == 0
    assert await storage.head(f"{key}/a/1") is None


async def test_a_server_that_is_gone_is_unavailable(settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    storage = Storage(settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{port}"}))
    await storage.open()
    (tmp_path / "a").write_bytes(b"1")
    with pytest.raises(Unavailable):
        await storage.head("a")
    with pytest.raises(Unavailable):
        await storage.upload(tmp_path / "a", "a", "text/csv")
    assert (await storage.presign_put("a", 1, "text/csv", 60)).url
    await storage.close()


async def test_a_server_that_hangs_is_unavailable(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.storage.ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("domain.s3.ANSWER_SECONDS", 0.5)
    (tmp_path / "small").write_bytes(b"1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        storage = Storage(settings.model_copy(update={"s3_endpoint_url": url}))
        await storage.open()
        try:
            async with asyncio.timeout(20):
                with pytest.raises(Unavailable):
                    await storage.download("key", tmp_path / "got")
                with pytest.raises(Unavailable):
                    await storage.upload(tmp_path / "small", "key", "text/csv")
        finally:
            await storage.close()


async def test_wrong_credentials_are_no_missing_object(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SecretStr("not this one").get_secret_value())
    storage = Storage(settings)
    await storage.open()
    with pytest.raises(Exception, match="403"):
        await storage.head("a")
    await storage.close()
