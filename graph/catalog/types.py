"""Workspaces, datasets and uploads."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.catalog import downloads, models
from domain.identity import reads
from domain.identity.models import Department as DepartmentRow
from domain.jobs.models import Job as JobRow
from domain.jobs.models import Result as ResultRow
from graph.catalog.inputs import (
    DatasetFilter,
    DatasetOrderBy,
    DatasetStatus,
    DownloadKind,
    FileType,
    UploadFilter,
    UploadOrderBy,
    UploadStatus,
)
from graph.context import Info
from graph.edges import by, one
from graph.identity.types import Actor, Department
from graph.jobs.inputs import JobFilter, JobOrderBy, ResultFilter, ResultOrderBy
from graph.nodes import Node, node
from graph.paging import Connection, connection
from graph.scalars import BigInt, Json

if TYPE_CHECKING:
    from graph.jobs.types import Job, Result

LazyJob = Annotated["Job", strawberry.lazy("graph.jobs.types")]
LazyResult = Annotated["Result", strawberry.lazy("graph.jobs.types")]

DatasetsFilter = Annotated[
    DatasetFilter | None, strawberry.argument(description="Which datasets to give.")
]
DatasetsOrder = Annotated[
    DatasetOrderBy | None, strawberry.argument(description="The order of the list.")
]
UploadsFilter = Annotated[
    UploadFilter | None, strawberry.argument(description="Which uploads to give.")
]
UploadsOrder = Annotated[
    UploadOrderBy | None, strawberry.argument(description="The order of the list.")
]
Kind = Annotated[DownloadKind, strawberry.argument(description="Which of the files.")]


@strawberry.type(description="An address that needs no signing in, until it expires.")
class DownloadUrl:
    """What `download_url` gives."""

    url: str = strawberry.field(description="The address; a GET of it gives the file.")
    expires_at: datetime = strawberry.field(description="When the address stops working.")


@node(models.Workspace, "A folder of datasets inside one department.")
class Workspace(Node):
    """A row of `workspaces`."""

    name: str = strawberry.field(description="The workspace's name.")
    description: str | None = strawberry.field(description="What the workspace is for.")
    is_default: bool = strawberry.field(
        description="Whether it takes the department's datasets that name no workspace."
    )
    created_at: datetime = strawberry.field(description="When the workspace was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    department: Department = one(
        DepartmentRow, "department_id", "The department that it belongs to."
    )

    owner: Actor = by(
        reads.actors, "owner_id", "Whose it is: this person may change and delete it."
    )

    datasets: Connection[Dataset] = connection(
        models.Dataset,
        "workspace_id",
        "The datasets in it.",
        filter=DatasetFilter,
        order_by=DatasetOrderBy,
    )


@node(models.Dataset, "A file that somebody brought, and what became of it.")
class Dataset(Node):
    """A row of `datasets`."""

    name: str = strawberry.field(description="The dataset's name.")
    description: str | None = strawberry.field(description="What the dataset is about.")
    file_type: FileType = strawberry.field(description="The form of the file.")
    content_type: str = strawberry.field(description="The file's media type.")
    file_size_bytes: BigInt = strawberry.field(description="The size of the file in bytes.")
    file_hash_sha256: str | None = strawberry.field(
        description="The SHA-256 of the file, computed from its bytes by the validation."
    )
    row_count: BigInt | None = strawberry.field(description="How many rows were kept.")
    column_count: int | None = strawberry.field(description="How many columns it has.")
    column_names: list[str] | None = strawberry.field(description="The columns, in their order.")
    status: DatasetStatus = strawberry.field(description="How far the dataset has come.")
    validation_errors: Json | None = strawberry.field(
        description="What is wrong with the file: a list of objects with code and message."
    )
    uploaded_at: datetime | None = strawberry.field(description="When all bytes had arrived.")
    created_at: datetime = strawberry.field(description="When the dataset was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    department: Department = one(
        DepartmentRow, "department_id", "The department that it belongs to."
    )

    workspace: Workspace = one(models.Workspace, "workspace_id", "The workspace that it is in.")

    uploader: Actor = by(reads.actors, "uploader_id", "Who brought it.")

    @strawberry.field(description="Where to fetch a file of it, or null while there is none.")
    async def download_url(self, info: Info, kind: Kind) -> DownloadUrl | None:
        """Signs an address."""
        parts = info.context.parts
        wanted = downloads.DownloadKind(kind.value)
        return await downloads.download_url(parts.storage, parts.settings, _row(self), wanted)  # type: ignore[return-value]

    uploads: Connection[Upload] = connection(
        models.Upload,
        "dataset_id",
        "The uploads that brought its file.",
        filter=UploadFilter,
        order_by=UploadOrderBy,
    )

    jobs: Connection[LazyJob] = connection(
        JobRow, "dataset_id", "The jobs on it.", filter=JobFilter, order_by=JobOrderBy
    )

    results: Connection[LazyResult] = connection(
        ResultRow,
        "dataset_id",
        "What jobs have found out about it.",
        filter=ResultFilter,
        order_by=ResultOrderBy,
    )


@node(
    models.Upload,
    "Bytes on their way straight to object storage. The requests that send them are in the answers "
    "of createUpload and resumeUpload.",
)
class Upload(Node):
    """A row of `uploads`."""

    file_name: str = strawberry.field(description="The file's name, without folders.")
    file_type: FileType = strawberry.field(description="The form of the file.")
    content_type: str = strawberry.field(description="The file's media type.")
    file_size_bytes: BigInt = strawberry.field(description="The size that was promised, in bytes.")
    file_hash_sha256: str | None = strawberry.field(
        description="The SHA-256 that was promised; the validation compares it with the bytes."
    )
    status: UploadStatus = strawberry.field(description="How far the upload has come.")
    upload_progress: int = strawberry.field(
        name="progress",
        description="How much has arrived, in percent, as of the last resumeUpload or sweep.",
    )
    part_size_bytes: BigInt = strawberry.field(
        description="The size of every part but the last, in bytes."
    )
    total_chunks: int = strawberry.field(
        name="partCount", description="In how many parts the file is sent."
    )
    uploaded_chunks: int = strawberry.field(
        name="arrivedPartCount",
        description="How many parts have arrived, as of the last resumeUpload or sweep.",
    )
    expires_at: datetime = strawberry.field(description="When it stops taking bytes.")
    completed_at: datetime | None = strawberry.field(description="When it was completed.")
    created_at: datetime = strawberry.field(description="When it was begun.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    dataset: Dataset | None = one(
        models.Dataset,
        "dataset_id",
        "The dataset that it brings, or null where that was deleted, as aborting does.",
    )

    department: Department = one(
        DepartmentRow, "department_id", "The department that it belongs to."
    )

    owner: Actor = by(reads.actors, "owner_id", "Who began it, and alone can send and complete it.")


def _row(source: Any) -> Any:
    # What Strawberry hands to a resolver as its object is the row itself.
    return source
