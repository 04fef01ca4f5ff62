"""What mutations of the catalog answer."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graph.catalog.inputs import UploadStatus
from graph.catalog.types import Dataset, Upload, Workspace
from graph.jobs.types import Job
from graph.scalars import BigInt


@strawberry.type(description="A header of a presigned request.")
class RequestHeader:
    """A name and a value."""

    name: str = strawberry.field(description="The header's name.")
    value: str = strawberry.field(description="The header's value.")


@strawberry.type(
    description="A part of the file and the presigned request that sends it: these bytes, as many "
    "as it says, straight to the object storage."
)
class UploadPart:
    """A part that has not arrived."""

    number: int = strawberry.field(description="The part's number, from 1.")
    url: str = strawberry.field(description="The address; it works until the upload expires.")
    method: str = strawberry.field(description="The HTTP method.")
    headers: list[RequestHeader] = strawberry.field(
        description="The headers to send exactly so, besides what HTTP clients send themselves."
    )
    size_bytes: BigInt = strawberry.field(
        description="How many bytes to send; any other number is refused. Parts follow each other "
        "in the file by their numbers."
    )


@strawberry.type(description="An upload that takes bytes, with the requests that send them.")
class OpenUpload:
    """What createUpload and resumeUpload answer about an upload."""

    id: strawberry.ID = strawberry.field(description="The upload's id.")
    status: UploadStatus = strawberry.field(description="How far the upload has come.")
    progress: int = strawberry.field(description="How much has arrived, in percent.")
    expires_at: datetime = strawberry.field(description="When it stops taking bytes.")
    parts: list[UploadPart] = strawberry.field(
        description="The requests to send: after createUpload all of them, after resumeUpload "
        "those whose bytes have not arrived. None when the upload takes no more."
    )
    node: Upload = strawberry.field(description="The upload as everybody sees it.")


@strawberry.type(description="What createUpload answers.")
class CreateUploadPayload:
    """The new upload and its dataset."""

    upload: OpenUpload = strawberry.field(description="The upload that waits for its bytes.")
    dataset: Dataset | None = strawberry.field(
        description="The dataset that it brings; null where a repeated call finds it deleted."
    )


@strawberry.type(description="What resumeUpload answers.")
class ResumeUploadPayload:
    """The upload and what it lacks."""

    upload: OpenUpload = strawberry.field(
        description="The upload, with requests for the parts that have not arrived."
    )
    dataset: Dataset | None = strawberry.field(description="The dataset that it brings.")


@strawberry.type(description="What completeUpload answers.")
class CompleteUploadPayload:
    """The dataset and the job on it."""

    upload: Upload = strawberry.field(description="The upload, whose bytes have all arrived.")
    dataset: Dataset = strawberry.field(description="The dataset that it brought.")
    job: Job | None = strawberry.field(
        description="The job that validates the file; null for those who may not read jobs."
    )


@strawberry.type(description="What abortUpload answers.")
class AbortUploadPayload:
    """The upload that was given up."""

    upload: Upload = strawberry.field(description="The upload; its dataset is deleted.")


@strawberry.type(description="What updateDataset answers.")
class UpdateDatasetPayload:
    """The dataset as it is now."""

    dataset: Dataset = strawberry.field(description="The dataset as it is now.")


@strawberry.type(description="What deleteDataset answers.")
class DeleteDatasetPayload:
    """What is gone."""

    deleted_dataset_id: strawberry.ID = strawberry.field(
        description="The id that the dataset had; its jobs, results and uploads are gone with it."
    )


@strawberry.type(description="What createWorkspace answers.")
class CreateWorkspacePayload:
    """The new workspace."""

    workspace: Workspace | None = strawberry.field(
        description="The new workspace; null where a repeated call finds it deleted."
    )


@strawberry.type(description="What updateWorkspace answers.")
class UpdateWorkspacePayload:
    """The workspace as it is now."""

    workspace: Workspace = strawberry.field(description="The workspace as it is now.")


@strawberry.type(description="What deleteWorkspace answers.")
class DeleteWorkspacePayload:
    """What is gone."""

    deleted_workspace_id: strawberry.ID = strawberry.field(
        description="The id that the workspace had; its datasets are gone with it."
    )
