"""Bringing datasets, and changing and deleting what is in the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.catalog import models
from domain.catalog.actions.datasets import update_dataset
from domain.catalog.actions.uploads import NewUpload
from domain.catalog.actions.workspaces import create_workspace, update_workspace
from domain.identity.checks import is_code
from domain.jobs.models import Job as JobRow
from domain.lifecycle.completion import complete_upload
from domain.lifecycle.deletion import delete_dataset, delete_workspace
from domain.lifecycle.flow import Flow
from domain.lifecycle.parts import presigned_parts
from domain.lifecycle.uploads import abort_upload, resume_upload, start_upload
from graph.catalog import inputs, payloads
from graph.context import Info
from graph.nodes import changed
from graph.scalars import encoded_id, given_key, key_of

if TYPE_CHECKING:
    from uuid import UUID

Given = strawberry.argument(description="What the mutation needs.")


@strawberry.type
class UploadMutations:
    """Root fields that bring datasets."""

    @strawberry.mutation(
        description="Promises a file: makes a dataset that waits for its bytes, and answers the "
        "presigned requests that send them straight to the object storage. Needs dataset:write."
    )
    async def create_upload(
        self, info: Info, input: Annotated[inputs.CreateUploadInput, Given]
    ) -> payloads.CreateUploadPayload:
        """Needs dataset:write in the department."""
        new = NewUpload(
            file_name=input.file_name,
            size_bytes=input.size_bytes,
            name=input.name,
            description=input.description,
            content_type=input.content_type,
            sha256=input.sha256,
            department=_reference(input.department),
            workspace_id=given_key("Workspace", input.workspace_id),
        )
        key = input.idempotency_key
        settings = info.context.parts.settings
        upload_id = await start_upload(_flow(info), new, settings, idempotency_key=key)
        upload = await changed(info, models.Upload, upload_id)
        return payloads.CreateUploadPayload(
            upload=await _open(info, upload), dataset=await _dataset(info, upload)
        )

    @strawberry.mutation(
        description="Asks what has arrived of an upload that was interrupted, and answers fresh "
        "requests for the rest. Needs the upload to be the caller's own, and dataset:write."
    )
    async def resume_upload(
        self, info: Info, input: Annotated[inputs.ResumeUploadInput, Given]
    ) -> payloads.ResumeUploadPayload:
        """Needs dataset:write in the department of an upload of one's own."""
        upload_id = key_of("Upload", input.upload_id)
        missing = await resume_upload(_flow(info), upload_id)
        upload = await changed(info, models.Upload, upload_id)
        return payloads.ResumeUploadPayload(
            upload=await _open(info, upload, missing), dataset=await _dataset(info, upload)
        )

    @strawberry.mutation(
        description="Says that all bytes of an upload were sent: checks that they have arrived and "
        "starts their validation. Repeating it answers the same dataset and job. Needs the upload "
        "to be the caller's own, and dataset:write."
    )
    async def complete_upload(
        self, info: Info, input: Annotated[inputs.CompleteUploadInput, Given]
    ) -> payloads.CompleteUploadPayload:
        """Needs dataset:write in the department of an upload of one's own."""
        upload_id = key_of("Upload", input.upload_id)
        done = await complete_upload(_flow(info), upload_id, input.claimed())
        upload = await changed(info, models.Upload, upload_id)
        return payloads.CompleteUploadPayload(
            upload=upload,
            dataset=await changed(info, models.Dataset, upload.dataset_id),
            job=await info.context.loaders.one(JobRow, done.job_id),  # type: ignore[arg-type]
        )

    @strawberry.mutation(
        description="Gives up an upload that is not complete: its bytes and its dataset go. "
        "Repeating it changes nothing. Needs dataset:write for the caller's own uploads, "
        "dataset:delete for those of others."
    )
    async def abort_upload(
        self, info: Info, input: Annotated[inputs.AbortUploadInput, Given]
    ) -> payloads.AbortUploadPayload:
        """Needs dataset:write for one's own upload, else dataset:delete."""
        upload_id = key_of("Upload", input.upload_id)
        await abort_upload(_flow(info), upload_id)
        upload = await changed(info, models.Upload, upload_id)
        return payloads.AbortUploadPayload(upload=upload)


@strawberry.type
class DatasetMutations:
    """Root fields that change datasets."""

    @strawberry.mutation(
        description="Changes a dataset's name, description or workspace. Needs dataset:write."
    )
    async def update_dataset(
        self, info: Info, input: Annotated[inputs.UpdateDatasetInput, Given]
    ) -> payloads.UpdateDatasetPayload:
        """Needs dataset:write in the dataset's department."""
        dataset_id = key_of("Dataset", input.dataset_id)
        given = _given(input, "name", "description")
        workspace_id = input.workspace_id
        if workspace_id is not strawberry.UNSET:
            given["workspace_id"] = given_key("Workspace", workspace_id)
        async with info.context.work() as work:
            await update_dataset(work, dataset_id, given)
        dataset = await changed(info, models.Dataset, dataset_id)
        return payloads.UpdateDatasetPayload(dataset=dataset)

    @strawberry.mutation(
        description="Deletes a dataset with its uploads and results, and cancels its jobs. Needs "
        "dataset:write for what the caller brought, dataset:delete for what others did."
    )
    async def delete_dataset(
        self, info: Info, input: Annotated[inputs.DeleteDatasetInput, Given]
    ) -> payloads.DeleteDatasetPayload:
        """Needs dataset:write for one's own dataset, else dataset:delete."""
        dataset_id = key_of("Dataset", input.dataset_id)
        await delete_dataset(_flow(info), dataset_id)
        return payloads.DeleteDatasetPayload(deleted_dataset_id=encoded_id("Dataset", dataset_id))


@strawberry.type
class WorkspaceMutations:
    """Root fields that change workspaces."""

    @strawberry.mutation(
        description="Makes a workspace, which is the caller's. Needs workspace:write."
    )
    async def create_workspace(
        self, info: Info, input: Annotated[inputs.CreateWorkspaceInput, Given]
    ) -> payloads.CreateWorkspacePayload:
        """Needs workspace:write in the department."""
        async with info.context.work() as work:
            workspace_id = await create_workspace(
                work,
                input.name,
                description=input.description,
                department=_reference(input.department),
                idempotency_key=input.idempotency_key,
            )
        return payloads.CreateWorkspacePayload(workspace=await _workspace(info, workspace_id))

    @strawberry.mutation(
        description="Changes a workspace's name or description. Needs workspace:write for the "
        "caller's own, workspace:manage for those of others."
    )
    async def update_workspace(
        self, info: Info, input: Annotated[inputs.UpdateWorkspaceInput, Given]
    ) -> payloads.UpdateWorkspacePayload:
        """Needs workspace:write for one's own workspace, else workspace:manage."""
        workspace_id = key_of("Workspace", input.workspace_id)
        async with info.context.work() as work:
            await update_workspace(work, workspace_id, _given(input, "name", "description"))
        return payloads.UpdateWorkspacePayload(
            workspace=await changed(info, models.Workspace, workspace_id)
        )

    @strawberry.mutation(
        description="Deletes a workspace with all its datasets, but never a department's default "
        "one. Needs workspace:write for the caller's own, workspace:manage for those of others, "
        "and the right to delete each dataset in it."
    )
    async def delete_workspace(
        self, info: Info, input: Annotated[inputs.DeleteWorkspaceInput, Given]
    ) -> payloads.DeleteWorkspacePayload:
        """Needs workspace:write for one's own workspace, else workspace:manage."""
        workspace_id = key_of("Workspace", input.workspace_id)
        await delete_workspace(_flow(info), workspace_id)
        deleted = encoded_id("Workspace", workspace_id)
        return payloads.DeleteWorkspacePayload(deleted_workspace_id=deleted)


@strawberry.type
class CatalogMutations(UploadMutations, DatasetMutations, WorkspaceMutations):
    """Root fields that change the catalog."""


def _flow(info: Info) -> Flow:
    return Flow(info.context.work, info.context.parts.storage)


def _reference(text: str | None) -> str | None:
    # An id begins with a capital letter, and so is never a code.
    return text if text is None or is_code(text) else str(key_of("Department", text))


def _given(input: Any, *names: str) -> dict[str, Any]:
    return {
        name: getattr(input, name) for name in names if getattr(input, name) is not strawberry.UNSET
    }


async def _open(info: Info, upload: Any, missing: list[int] | None = None) -> payloads.OpenUpload:
    parts = await presigned_parts(info.context.parts.storage, upload)
    return payloads.OpenUpload(
        id=encoded_id("Upload", upload.id),
        status=upload.status,
        progress=upload.upload_progress,
        expires_at=upload.expires_at,
        parts=[
            payloads.UploadPart(
                number=part.number,
                url=part.request.url,
                method=part.request.method,
                headers=[
                    payloads.RequestHeader(name=name, value=value)
                    for name, value in part.request.headers
                ],
                size_bytes=part.size_bytes,  # type: ignore[arg-type]
            )
            for part in parts
            if missing is None or part.number in missing
        ],
        node=upload,
    )


async def _dataset(info: Info, upload: Any) -> Any:
    return await info.context.loaders.one(models.Dataset, upload.dataset_id)


async def _workspace(info: Info, workspace_id: UUID) -> Any:
    return await info.context.loaders.one(models.Workspace, workspace_id)
