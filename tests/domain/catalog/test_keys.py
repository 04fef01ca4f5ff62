from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from domain.catalog import keys

DEPARTMENT, DATASET, JOB = (UUID(int=number) for number in (1, 2, 3))


def test_names_every_place_in_the_bucket() -> None:
    place = f"datasets/{DEPARTMENT}/{DATASET}/"
    at = datetime(2025, 12, 27, 14, 30, tzinfo=UTC)
    assert keys.incoming(JOB) == f"incoming/{JOB}"
    assert keys.dataset_prefix(DEPARTMENT, DATASET) == place
    assert keys.raw(DEPARTMENT, DATASET, at, "csv") == f"{place}raw/2025-12-27T14-30-00Z.csv"
    assert keys.processed(DEPARTMENT, DATASET, 2, 1, 7) == f"{place}processed/v2-1-7.parquet"
    assert keys.rejects(DEPARTMENT, DATASET, JOB, 1, 7) == f"{place}rejects/{JOB}-1-7.jsonl"
