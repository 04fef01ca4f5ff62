"""Workspaces, datasets and uploads."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from domain.models import Base, Departmental, Identified, Timestamped, one_of, words
from domain.permissions import Permission

LIVE = text("deleted_at is null")


class FileType(StrEnum):
    """The forms of file that can be ingested."""

    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    XML = "xml"
    EXCEL = "excel"
    PARQUET = "parquet"


class DatasetStatus(StrEnum):
    """How far a dataset has come."""

    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    VALIDATING = "validating"
    VALIDATED = "validated"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class UploadStatus(StrEnum):
    """How far an upload has come."""

    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"
    EXPIRED = "expired"


class Workspace(Departmental, Identified, Timestamped, Base):
    """A folder of datasets inside one department; each department has a default one."""

    __tablename__ = "workspaces"
    read_permission = Permission.DATASET_READ

    name: Mapped[str] = words("name", 255)
    description: Mapped[str | None]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["department_id"], ["departments.id"], ondelete="RESTRICT"),
        UniqueConstraint("id", "department_id"),
        CheckConstraint("name <> ''", name="name_given"),
        Index(
            "workspaces_department_id_idx",
            "department_id",
            unique=True,
            postgresql_where=text("is_default"),
        ),
        Index(
            "workspaces_department_id_name_id_idx",
            "department_id",
            "name",
            "id",
            postgresql_where=LIVE,
        ),
        Index(
            "workspaces_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index("workspaces_owner_id_idx", "owner_id"),
    )


class Dataset(Departmental, Identified, Timestamped, Base):
    """A file that somebody brought, where it lies, and how far it has come."""

    __tablename__ = "datasets"
    read_permission = Permission.DATASET_READ
    weighed = frozenset({"status"})
    led: ClassVar = {"status": frozenset({"created_at"})}

    workspace_id: Mapped[UUID]
    uploader_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    name: Mapped[str] = words("name", 255)
    description: Mapped[str | None]
    file_type: Mapped[FileType] = one_of("file_type", FileType)
    content_type: Mapped[str] = words("content_type", 255)
    s3_bucket: Mapped[str] = words("s3_bucket", 100)
    s3_key_raw: Mapped[str | None] = words("s3_key_raw", 500)
    s3_key_processed: Mapped[str | None] = words("s3_key_processed", 500)
    s3_key_rejects: Mapped[str | None] = words("s3_key_rejects", 500)
    file_size_bytes: Mapped[int] = mapped_column(BigInteger)
    file_hash_sha256: Mapped[str | None] = words("file_hash_sha256", 64)
    row_count: Mapped[int | None] = mapped_column(BigInteger)
    column_count: Mapped[int | None] = mapped_column(Integer)
    column_names: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    status: Mapped[DatasetStatus] = one_of(
        "status", DatasetStatus, server_default=text("'uploading'")
    )
    validation_errors: Mapped[list[Any] | None] = mapped_column(JSONB)
    uploaded_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["department_id"], ["departments.id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["workspace_id", "department_id"],
            ["workspaces.id", "workspaces.department_id"],
            ondelete="RESTRICT",
        ),
        UniqueConstraint("id", "department_id"),
        CheckConstraint("name <> ''", name="name_given"),
        CheckConstraint("file_size_bytes > 0", name="file_size_bytes"),
        CheckConstraint("file_hash_sha256 ~ '^[0-9a-f]{64}$'", name="file_hash_sha256_form"),
        CheckConstraint("row_count >= 0", name="row_count"),
        CheckConstraint("column_count >= 0", name="column_count"),
        Index(
            "datasets_department_id_file_hash_sha256_idx",
            "department_id",
            "file_hash_sha256",
            unique=True,
            postgresql_where=text("deleted_at is null and status <> 'failed'"),
        ),
        Index(
            "datasets_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "datasets_created_at_id_idx",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "datasets_department_id_name_id_idx",
            "department_id",
            "name",
            "id",
            postgresql_where=LIVE,
        ),
        Index(
            "datasets_department_id_uploader_id_idx",
            "department_id",
            "uploader_id",
            postgresql_where=LIVE,
        ),
        Index(
            "datasets_department_id_status_created_at_idx",
            "department_id",
            "status",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index(
            "datasets_workspace_id_created_at_id_idx",
            "workspace_id",
            text("created_at desc"),
            text("id desc"),
        ),
        Index("datasets_uploader_id_idx", "uploader_id"),
        Index(
            "datasets_deleted_at_idx", "deleted_at", postgresql_where=text("deleted_at is not null")
        ),
    )


class Upload(Departmental, Identified, Timestamped, Base):
    """Bytes on their way straight to object storage, in one or in many parts."""

    __tablename__ = "uploads"
    read_permission = Permission.DATASET_READ
    weighed = frozenset({"status"})

    dataset_id: Mapped[UUID]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    file_name: Mapped[str] = words("file_name", 255)
    s3_key: Mapped[str] = words("s3_key", 500)
    s3_multipart_id: Mapped[str | None] = words("s3_multipart_id", 2000)
    file_type: Mapped[FileType] = one_of("file_type", FileType)
    content_type: Mapped[str] = words("content_type", 255)
    file_size_bytes: Mapped[int] = mapped_column(BigInteger)
    file_hash_sha256: Mapped[str | None] = words("file_hash_sha256", 64)
    status: Mapped[UploadStatus] = one_of(
        "status", UploadStatus, server_default=text("'uploading'")
    )
    upload_progress: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    part_size_bytes: Mapped[int] = mapped_column(BigInteger)
    total_chunks: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    uploaded_chunks: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    file_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB)
    is_temporary: Mapped[bool] = mapped_column(server_default=text("true"))
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["department_id"], ["departments.id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(
            ["dataset_id", "department_id"],
            ["datasets.id", "datasets.department_id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("file_size_bytes > 0", name="file_size_bytes"),
        CheckConstraint("part_size_bytes > 0", name="part_size_bytes"),
        CheckConstraint("file_hash_sha256 ~ '^[0-9a-f]{64}$'", name="file_hash_sha256_form"),
        CheckConstraint("upload_progress between 0 and 100", name="upload_progress"),
        CheckConstraint("total_chunks between 1 and 10000", name="total_chunks"),
        CheckConstraint("uploaded_chunks between 0 and total_chunks", name="uploaded_chunks"),
        Index(
            "uploads_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
            postgresql_where=LIVE,
        ),
        Index("uploads_department_id_owner_id_idx", "department_id", "owner_id"),
        Index("uploads_department_id_file_hash_sha256_idx", "department_id", "file_hash_sha256"),
        Index("uploads_department_id_status_idx", "department_id", "status"),
        Index(
            "uploads_expires_at_idx", "expires_at", postgresql_where=text("status = 'uploading'")
        ),
        Index(
            "uploads_leftover_idx",
            "expires_at",
            postgresql_where=text("is_temporary and status <> 'uploading'"),
        ),
        Index(
            "uploads_dataset_id_created_at_id_idx",
            "dataset_id",
            text("created_at desc"),
            text("id desc"),
        ),
        Index("uploads_owner_id_idx", "owner_id"),
    )
