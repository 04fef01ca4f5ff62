"""Reading workspaces, datasets and uploads."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain.catalog import models
from graph.catalog.inputs import (
    DatasetFilter,
    DatasetOrderBy,
    UploadFilter,
    UploadOrderBy,
    WorkspaceFilter,
    WorkspaceOrderBy,
)
from graph.catalog.types import (
    Dataset,
    Upload,
    Workspace,
)
from graph.edges import found
from graph.paging import Connection, scoped_connection

WorkspacesFilter = Annotated[
    WorkspaceFilter | None, strawberry.argument(description="Which workspaces to give.")
]
WorkspacesOrder = Annotated[
    WorkspaceOrderBy | None, strawberry.argument(description="The order of the list.")
]


@strawberry.type
class CatalogQueries:
    """Root fields about workspaces, datasets and uploads."""

    workspace: Workspace | None = found(
        models.Workspace,
        "The workspace with this id, or null where there is none to be seen.",
        "The workspace's id.",
    )

    workspaces: Connection[Workspace] = scoped_connection(
        models.Workspace,
        "The workspaces of the departments that the caller sees.",
        filter=WorkspaceFilter,
        order_by=WorkspaceOrderBy,
        ordered=True,
    )

    dataset: Dataset | None = found(
        models.Dataset,
        "The dataset with this id, or null where there is none to be seen.",
        "The dataset's id.",
    )

    datasets: Connection[Dataset] = scoped_connection(
        models.Dataset,
        "The datasets of the departments that the caller sees.",
        filter=DatasetFilter,
        order_by=DatasetOrderBy,
    )

    upload: Upload | None = found(
        models.Upload,
        "The upload with this id, or null where there is none to be seen.",
        "The upload's id.",
    )

    uploads: Connection[Upload] = scoped_connection(
        models.Upload,
        "The uploads of the departments that the caller sees.",
        filter=UploadFilter,
        order_by=UploadOrderBy,
    )
