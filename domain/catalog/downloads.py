"""Short-lived addresses from which the files of a dataset are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.database import Row
    from domain.settings import Settings
    from domain.storage import Storage


class DownloadKind(StrEnum):
    """The files that a dataset has."""

    RAW = "raw"
    PROCESSED = "processed"
    REJECTS = "rejects"


@dataclass(frozen=True, slots=True)
class DownloadUrl:
    """An address that needs no signing in, until it expires."""

    url: str
    expires_at: datetime


async def download_url(
    storage: Storage, settings: Settings, dataset: Row, kind: DownloadKind
) -> DownloadUrl | None:
    """Where to fetch a file of a dataset that the caller sees, or None where there is none yet."""
    key = {
        DownloadKind.RAW: dataset.s3_key_raw,
        DownloadKind.PROCESSED: dataset.s3_key_processed,
        DownloadKind.REJECTS: dataset.s3_key_rejects,
    }[kind]
    if key is None:
        return None
    seconds = settings.download_url_seconds
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    url = await storage.presign_get(key, _file_name(dataset.name, key, kind), seconds)
    return DownloadUrl(url, expires_at)


def _file_name(name: str, key: str, kind: DownloadKind) -> str:
    ending = key.rpartition(".")[2]
    if kind is DownloadKind.RAW:
        return name if name.lower().endswith(f".{ending}") else f"{name}.{ending}"
    stem, dot, last = name.rpartition(".")
    # A dataset that is called like its file keeps its name up to the ending.
    plain = stem if dot and stem and len(last) <= 7 and last.isalnum() else name  # noqa: PLR2004 (as long as "parquet")
    return f"{plain}.{ending}" if kind is DownloadKind.PROCESSED else f"{plain}.rejects.{ending}"
