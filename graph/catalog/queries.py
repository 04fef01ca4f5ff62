"""Reading workspaces, datasets and uploads."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain.catalog import models
from graph.catalog.inputs import WorkspaceFilter, WorkspaceOrderBy
from graph.catalog.types import (
    Dataset,
    DatasetsFilter,
    DatasetsOrder,
    Upload,
    UploadsFilter,
    UploadsOrder,
    Workspace,
)
from graph.context import Info
from graph.paging import After, Before, Connection, First, Last, page_of, scoped
from graph.scalars import key_of

WorkspacesFilter = Annotated[
    WorkspaceFilter | None, strawberry.argument(description="Which workspaces to give.")
]
WorkspacesOrder = Annotated[
    WorkspaceOrderBy | None, strawberry.argument(description="The order of the list.")
]


@strawberry.type
class CatalogQueries:
    """Root fields about workspaces, datasets and uploads."""

    @strawberry.field(
        description="The workspace with this id, or null where there is none to be seen."
    )
    async def workspace(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The workspace's id.")],
    ) -> Workspace | None:
        """Loads one workspace."""
        return await info.context.loaders.one(models.Workspace, key_of("Workspace", id))  # type: ignore[return-value]

    @strawberry.field(description="The workspaces of the departments that the caller sees.")
    def workspaces(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: WorkspacesFilter = None,
        order_by: WorkspacesOrder = None,
    ) -> Connection[Workspace]:
        """Pages through workspaces."""
        order = order_by or WorkspaceOrderBy()
        page = page_of(info, models.Workspace, first, after, last, before, filter, order)
        return scoped(info, models.Workspace, page)

    @strawberry.field(
        description="The dataset with this id, or null where there is none to be seen."
    )
    async def dataset(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The dataset's id.")],
    ) -> Dataset | None:
        """Loads one dataset."""
        return await info.context.loaders.one(models.Dataset, key_of("Dataset", id))  # type: ignore[return-value]

    @strawberry.field(description="The datasets of the departments that the caller sees.")
    def datasets(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: DatasetsFilter = None,
        order_by: DatasetsOrder = None,
    ) -> Connection[Dataset]:
        """Pages through datasets."""
        page = page_of(info, models.Dataset, first, after, last, before, filter, order_by)
        return scoped(info, models.Dataset, page)

    @strawberry.field(
        description="The upload with this id, or null where there is none to be seen."
    )
    async def upload(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The upload's id.")],
    ) -> Upload | None:
        """Loads one upload."""
        return await info.context.loaders.one(models.Upload, key_of("Upload", id))  # type: ignore[return-value]

    @strawberry.field(description="The uploads of the departments that the caller sees.")
    def uploads(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: UploadsFilter = None,
        order_by: UploadsOrder = None,
    ) -> Connection[Upload]:
        """Pages through uploads."""
        page = page_of(info, models.Upload, first, after, last, before, filter, order_by)
        return scoped(info, models.Upload, page)
