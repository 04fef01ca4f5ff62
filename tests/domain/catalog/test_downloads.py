from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest

from domain.catalog.downloads import DownloadKind, download_url
from domain.storage import Storage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from domain.settings import Settings
    from tests.factories.rows import Rows


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    storage = Storage(settings)
    await storage.open()
    yield storage
    await storage.close()


async def made(rows: Rows, **values: Any) -> Any:
    department = await rows.department()
    person = await rows.person(department)
    return await rows.dataset(department, person.id, **values)


@pytest.mark.parametrize(
    ("name", "kind", "file_name"),
    [
        ("sales.csv", DownloadKind.RAW, "sales.csv"),
        ("Sales March", DownloadKind.RAW, "Sales March.csv"),
        ("sales.csv", DownloadKind.PROCESSED, "sales.parquet"),
        ("Sales v1.2 final", DownloadKind.PROCESSED, "Sales v1.2 final.parquet"),
        ("sales.csv", DownloadKind.REJECTS, "sales.rejects.csv"),
        (".csv", DownloadKind.PROCESSED, ".csv.parquet"),
    ],
)
async def test_is_saved_under_a_name_that_tells_what_it_is(
    rows: Rows,
    storage: Storage,
    settings: Settings,
    name: str,
    kind: DownloadKind,
    file_name: str,
) -> None:
    dataset = await made(
        rows, name=name, s3_key_processed="a/v1.parquet", s3_key_rejects="a/rejects/1.csv"
    )
    found = await download_url(storage, settings, dataset, kind)
    assert found is not None
    (said,) = parse_qs(urlsplit(found.url).query)["response-content-disposition"]
    assert f'filename="{file_name}"' in said


async def test_holds_for_a_short_while(
    rows: Rows, storage: Storage, settings: Settings, tmp_path: Path
) -> None:
    key = f"tests/{uuid4()}.csv"
    (tmp_path / "a").write_bytes(b"a,b\n")
    await storage.upload(tmp_path / "a", key, "text/csv")
    dataset = await made(rows, s3_key_raw=key)
    found = await download_url(storage, settings, dataset, DownloadKind.RAW)
    assert found is not None
    assert parse_qs(urlsplit(found.url).query)["X-Amz-Expires"] == ["300"]
    assert abs(found.expires_at - datetime.now(UTC) - timedelta(seconds=300)) < timedelta(seconds=5)
    async with httpx.AsyncClient() as client:
        assert (await client.get(found.url)).content == b"a,b\n"
        assert (await client.put(found.url, content=b"mine")).status_code == 403


async def test_there_is_none_before_there_is_a_file(
    rows: Rows, storage: Storage, settings: Settings
) -> None:
    dataset = await made(rows, s3_key_raw=None)
    for kind in DownloadKind:
        assert await download_url(storage, settings, dataset, kind) is None
