"""Enums, filters, orders and the inputs of mutations of the catalog."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

import strawberry

from domain.catalog import downloads, models
from domain.errors import InvalidInput
from domain.filters import Condition, Operator
from domain.paging import Order
from graph.enums import Direction, described, values
from graph.scalars import BigInt, given_key

KEY = "Repeating a call with the same key makes nothing twice."

if TYPE_CHECKING:
    # To type checkers the graph's form of an enum is the domain's: the same values.
    from domain.catalog.downloads import DownloadKind
    from domain.catalog.models import DatasetStatus, FileType, UploadStatus
else:
    FileType = described(
        models.FileType,
        "The forms of file that can be ingested.",
        {
            models.FileType.CSV: "Fields split by a delimiter, in any encoding and dialect.",
            models.FileType.TSV: "Fields split by tabs.",
            models.FileType.JSON: "One JSON document.",
            models.FileType.JSONL: "One JSON document a line.",
            models.FileType.XML: "An XML document.",
            models.FileType.EXCEL: "A workbook: xlsx, xlsm, xls or ods.",
            models.FileType.PARQUET: "A Parquet file, whose columns have types already.",
        },
    )

    DatasetStatus = described(
        models.DatasetStatus,
        "How far a dataset has come.",
        {
            models.DatasetStatus.UPLOADING: "Its bytes are on their way.",
            models.DatasetStatus.UPLOADED: "Its bytes have arrived.",
            models.DatasetStatus.VALIDATING: "Its file is being checked.",
            models.DatasetStatus.VALIDATED: "Its file is what it claims to be.",
            models.DatasetStatus.PROCESSING: "Its rows are being cleaned to typed Parquet.",
            models.DatasetStatus.COMPLETED: "Its rows can be read as Parquet.",
            models.DatasetStatus.FAILED: "It failed; validationErrors or its jobs say why.",
        },
    )

    UploadStatus = described(
        models.UploadStatus,
        "How far an upload has come.",
        {
            models.UploadStatus.UPLOADING: "It takes bytes.",
            models.UploadStatus.UPLOADED: "All bytes have arrived; their validation waits.",
            models.UploadStatus.PROCESSING: "The bytes are being validated.",
            models.UploadStatus.COMPLETED: "The bytes are valid and kept.",
            models.UploadStatus.FAILED: "The bytes are not what was promised.",
            models.UploadStatus.ABORTED: "Somebody gave it up.",
            models.UploadStatus.EXPIRED: "Its time ran out before all bytes had arrived.",
        },
    )

    DownloadKind = described(
        downloads.DownloadKind,
        "The files that a dataset has.",
        {
            downloads.DownloadKind.RAW: "The file as it was uploaded; it is kept for 90 days.",
            downloads.DownloadKind.PROCESSED: "The rows as typed Parquet.",
            downloads.DownloadKind.REJECTS: "The lines that could not be kept, with their reasons.",
        },
    )


@strawberry.input(description="Which workspaces to give: those that meet all that is set.")
class WorkspaceFilter:
    """Comparisons of a workspace's columns."""

    department_id: strawberry.ID | None = strawberry.field(
        default=None, description="The workspace belongs to exactly this department."
    )
    owner_id: strawberry.ID | None = strawberry.field(
        default=None, description="The workspace is this user's."
    )
    name_contains: str | None = strawberry.field(
        default=None, description="The workspace's name contains this, in any case."
    )
    is_default: bool | None = strawberry.field(
        default=None, description="The workspace is its department's default one, or it is not."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("department_id", Operator.IS, given_key("Department", self.department_id)),
            Condition("owner_id", Operator.IS, given_key("User", self.owner_id)),
            Condition("name", Operator.CONTAINS, self.name_contains),
            Condition("is_default", Operator.IS, self.is_default),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What workspaces can be ordered by.")
class WorkspaceOrderField(Enum):
    """Columns that are never null."""

    NAME = strawberry.enum_value("name", description="The workspace's name.")
    CREATED_AT = strawberry.enum_value("created_at", description="When the workspace was made.")


@strawberry.input(description="The order of a list of workspaces.")
class WorkspaceOrderBy:
    """A column and a direction."""

    field: WorkspaceOrderField = strawberry.field(
        default=WorkspaceOrderField.NAME, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.ASC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="Which datasets to give: those that meet all that is set.")
class DatasetFilter:
    """Comparisons of a dataset's columns."""

    status: list[DatasetStatus] | None = strawberry.field(
        default=None, description="The dataset has come as far as one of these."
    )
    file_type: list[FileType] | None = strawberry.field(
        default=None, description="The dataset's file is of one of these forms."
    )
    department_id: strawberry.ID | None = strawberry.field(
        default=None, description="The dataset belongs to exactly this department."
    )
    workspace_id: strawberry.ID | None = strawberry.field(
        default=None, description="The dataset is in this workspace."
    )
    uploader_id: strawberry.ID | None = strawberry.field(
        default=None, description="This user brought the dataset."
    )
    name_contains: str | None = strawberry.field(
        default=None, description="The dataset's name contains this, in any case."
    )
    created_from: datetime | None = strawberry.field(
        default=None, description="The dataset was made at this moment or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="The dataset was made before this moment."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("status", Operator.IN, values(self.status)),
            Condition("file_type", Operator.IN, values(self.file_type)),
            Condition("department_id", Operator.IS, given_key("Department", self.department_id)),
            Condition("workspace_id", Operator.IS, given_key("Workspace", self.workspace_id)),
            Condition("uploader_id", Operator.IS, given_key("User", self.uploader_id)),
            Condition("name", Operator.CONTAINS, self.name_contains),
            Condition("created_at", Operator.FROM, self.created_from),
            Condition("created_at", Operator.BEFORE, self.created_before),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What datasets can be ordered by.")
class DatasetOrderField(Enum):
    """Columns that are never null."""

    CREATED_AT = strawberry.enum_value("created_at", description="When the dataset was made.")
    NAME = strawberry.enum_value("name", description="The dataset's name.")


@strawberry.input(description="The order of a list of datasets.")
class DatasetOrderBy:
    """A column and a direction."""

    field: DatasetOrderField = strawberry.field(
        default=DatasetOrderField.CREATED_AT, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.DESC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="Which uploads to give: those that meet all that is set.")
class UploadFilter:
    """Comparisons of an upload's columns."""

    status: list[UploadStatus] | None = strawberry.field(
        default=None, description="The upload has come as far as one of these."
    )
    dataset_id: strawberry.ID | None = strawberry.field(
        default=None, description="The upload brings this dataset."
    )
    owner_id: strawberry.ID | None = strawberry.field(
        default=None, description="This user began the upload."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("status", Operator.IN, values(self.status)),
            Condition("dataset_id", Operator.IS, given_key("Dataset", self.dataset_id)),
            Condition("owner_id", Operator.IS, given_key("User", self.owner_id)),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What uploads can be ordered by.")
class UploadOrderField(Enum):
    """Columns that are never null."""

    CREATED_AT = strawberry.enum_value("created_at", description="When the upload was begun.")


@strawberry.input(description="The order of a list of uploads.")
class UploadOrderBy:
    """A column and a direction."""

    field: UploadOrderField = strawberry.field(
        default=UploadOrderField.CREATED_AT, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.DESC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="What createUpload needs: a promise of what will be sent.")
class CreateUploadInput:
    """A file and where it belongs."""

    file_name: str = strawberry.field(
        description="The file's name; its ending tells the file's form."
    )
    size_bytes: BigInt = strawberry.field(description="The exact size of the file in bytes.")
    name: str | None = strawberry.field(
        default=None, description="The dataset's name; the file's name unless given."
    )
    description: str | None = strawberry.field(
        default=None, description="What the dataset is about."
    )
    content_type: str | None = strawberry.field(
        default=None,
        description="The file's media type, such as text/csv; it tells the file's form where the "
        "file's name does not.",
    )
    sha256: str | None = strawberry.field(
        default=None,
        description="The file's SHA-256 in hexadecimal. The validation fails where the bytes that "
        "arrived have another one.",
    )
    department: str | None = strawberry.field(
        default=None,
        description="The department that gets the dataset, by its code, such as 'supply', or its "
        "id. Needed where the caller sees several.",
    )
    workspace_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The workspace that gets the dataset; the department's default one unless "
        "given.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=KEY)


@strawberry.input(description="What resumeUpload needs.")
class ResumeUploadInput:
    """An upload that was interrupted."""

    upload_id: strawberry.ID = strawberry.field(description="The upload to go on with.")


@strawberry.input(description="A part that was sent.")
class CompletedPartInput:
    """A part's number and what the object storage called it."""

    number: int = strawberry.field(description="The part's number, from 1.")
    etag: str = strawberry.field(description="The ETag header of the answer to the part.")


@strawberry.input(description="What completeUpload needs.")
class CompleteUploadInput:
    """An upload whose bytes have been sent."""

    upload_id: strawberry.ID = strawberry.field(description="The upload to complete.")
    parts: list[CompletedPartInput] | None = strawberry.field(
        default=None,
        description="The parts as they were sent. Each one given is compared with what lies in the "
        "object storage; that all have arrived is checked whether they are given or not.",
    )

    def claimed(self) -> dict[int, str]:
        """The ETags by the numbers of their parts. Raises `InvalidInput` for a part given twice."""
        claimed: dict[int, str] = {}
        for part in self.parts or ():
            if part.number in claimed:
                message = f"Part {part.number} is named twice."
                raise InvalidInput.at("parts", message, "named_twice")
            claimed[part.number] = part.etag
        return claimed


@strawberry.input(description="What abortUpload needs.")
class AbortUploadInput:
    """An upload to give up."""

    upload_id: strawberry.ID = strawberry.field(description="The upload to give up.")


@strawberry.input(description="What updateDataset needs; what is left out stays as it is.")
class UpdateDatasetInput:
    """A dataset and what to change."""

    dataset_id: strawberry.ID = strawberry.field(description="The dataset to change.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="The dataset's name.")
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is about; null removes the text."
    )
    workspace_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The workspace to move it to, one of the same department.",
    )


@strawberry.input(description="What deleteDataset needs.")
class DeleteDatasetInput:
    """A dataset to delete."""

    dataset_id: strawberry.ID = strawberry.field(description="The dataset to delete.")


@strawberry.input(description="What createWorkspace needs.")
class CreateWorkspaceInput:
    """A workspace and where it belongs."""

    name: str = strawberry.field(description="The workspace's name.")
    description: str | None = strawberry.field(
        default=None, description="What the workspace is for."
    )
    department: str | None = strawberry.field(
        default=None,
        description="The department that gets it, by its code, such as 'supply', or its id. Needed "
        "where the caller sees several.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=KEY)


@strawberry.input(description="What updateWorkspace needs; what is left out stays as it is.")
class UpdateWorkspaceInput:
    """A workspace and what to change."""

    workspace_id: strawberry.ID = strawberry.field(description="The workspace to change.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="The workspace's name."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is for; null removes the text."
    )


@strawberry.input(description="What deleteWorkspace needs.")
class DeleteWorkspaceInput:
    """A workspace to delete."""

    workspace_id: strawberry.ID = strawberry.field(description="The workspace to delete.")
