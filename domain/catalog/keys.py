"""Where everything lies in the bucket. Keys are made here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


def incoming(upload_id: UUID) -> str:
    """Where a client's bytes arrive; its presigned requests name this key alone."""
    return f"incoming/{upload_id}"


def dataset_prefix(department_id: UUID, dataset_id: UUID) -> str:
    """What all keys of a dataset start with."""
    return f"datasets/{department_id}/{dataset_id}/"


def raw(department_id: UUID, dataset_id: UUID, at: datetime, extension: str) -> str:
    """Where the untouched file is kept; ``at`` is in UTC, ``extension`` without its dot."""
    name = f"{at:%Y-%m-%dT%H-%M-%SZ}.{extension}"
    return f"{dataset_prefix(department_id, dataset_id)}raw/{name}"


def processed(department_id: UUID, dataset_id: UUID, version: int, attempt: int, token: int) -> str:
    """Where one attempt at a job puts the Parquet; ``token`` is that of the attempt's lease."""
    name = f"v{version}-{attempt}-{token}.parquet"
    return f"{dataset_prefix(department_id, dataset_id)}processed/{name}"


def rejects(department_id: UUID, dataset_id: UUID, job_id: UUID, attempt: int, token: int) -> str:
    """Where one attempt at a job puts the lines that could not be kept, with their reasons."""
    name = f"{job_id}-{attempt}-{token}.jsonl"
    return f"{dataset_prefix(department_id, dataset_id)}rejects/{name}"
