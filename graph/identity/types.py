"""Departments, users, roles, and whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.catalog.models import Dataset as DatasetRow
from domain.catalog.models import Upload as UploadRow
from domain.catalog.models import Workspace as WorkspaceRow
from domain.identity import models, reads
from domain.jobs.models import Job as JobRow
from domain.jobs.models import Result as ResultRow
from graph.catalog.inputs import (
    DatasetFilter,
    DatasetOrderBy,
    UploadFilter,
    UploadOrderBy,
    WorkspaceFilter,
    WorkspaceOrderBy,
)
from graph.context import Info
from graph.identity.inputs import DepartmentFilter, DepartmentOrderBy, UserFilter, UserOrderBy
from graph.jobs.inputs import JobFilter, JobOrderBy, ResultFilter, ResultOrderBy
from graph.nodes import Node, node
from graph.paging import (
    After,
    Before,
    Connection,
    First,
    Last,
    Listing,
    children,
    page_of,
)
from graph.scalars import encoded_id

if TYPE_CHECKING:
    from uuid import UUID

    from graph.catalog.types import Dataset, Upload, Workspace
    from graph.jobs.types import Job, Result

LazyWorkspace = Annotated["Workspace", strawberry.lazy("graph.catalog.types")]
LazyDataset = Annotated["Dataset", strawberry.lazy("graph.catalog.types")]
LazyUpload = Annotated["Upload", strawberry.lazy("graph.catalog.types")]
LazyJob = Annotated["Job", strawberry.lazy("graph.jobs.types")]
LazyResult = Annotated["Result", strawberry.lazy("graph.jobs.types")]

DepartmentsFilter = Annotated[
    DepartmentFilter | None, strawberry.argument(description="Which departments to give.")
]
DepartmentsOrder = Annotated[
    DepartmentOrderBy | None, strawberry.argument(description="The order of the list.")
]
UsersFilter = Annotated[UserFilter | None, strawberry.argument(description="Which users to give.")]
UsersOrder = Annotated[
    UserOrderBy | None, strawberry.argument(description="The order of the list.")
]


@strawberry.type(description="A person behind something visible, whether or not its user is.")
class Actor:
    """What `actors` gives."""

    display_name: str = strawberry.field(description="The person's name.")

    @strawberry.field(description="The id of the person's user; `node` finds it only if visible.")
    def id(self) -> strawberry.ID:
        """Makes the id that the user has as a node."""
        return encoded_id("User", _row(self)["id"])


@strawberry.type(description="A named set of permissions, held in all departments of its bearer.")
class Role:
    """A row of `roles`."""

    name: str = strawberry.field(description="The role's name.")
    description: str | None = strawberry.field(description="What the role is for.")

    @strawberry.field(description="What the role allows, each written as area:verb.")
    async def permissions(self, info: Info) -> list[str]:
        """Loads the permissions."""
        found = await info.context.loaders.by(reads.permissions_of, _row(self)["id"])
        return found or []


@node(models.Department, "A node of the tree of departments; who sees it sees all below it.")
class Department(Node):
    """A row of `departments`."""

    code: str = strawberry.field(description="The unique code, which also stands for the id.")
    name: str = strawberry.field(description="The department's name.")
    description: str | None = strawberry.field(description="What the department does.")
    max_running_jobs: int = strawberry.field(description="How many of its jobs may run at once.")
    created_at: datetime = strawberry.field(description="When the department was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    @strawberry.field(description="The department above it, or null where that is not visible.")
    async def parent(self, info: Info) -> Department | None:
        """Loads the department above."""
        return await info.context.loaders.one(models.Department, _row(self).parent_id)  # type: ignore[return-value]

    @strawberry.field(description="Who manages it.")
    async def manager(self, info: Info) -> Actor | None:
        """Loads the name behind the account."""
        manager_id = _row(self).manager_id
        return None if manager_id is None else await actor_of(info, manager_id)

    @strawberry.field(description="The departments directly below it.")
    def children(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: DepartmentsFilter = None,
        order_by: DepartmentsOrder = None,
    ) -> Connection[Department]:
        """Pages through the departments below."""
        page = page_of(
            info,
            models.Department,
            first,
            after,
            last,
            before,
            filter,
            order_by or DepartmentOrderBy(),
        )
        return children(info, models.Department, "parent_id", _row(self)["id"], page)

    @strawberry.field(description="The users who are members of exactly this department.")
    def members(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: UsersFilter = None,
        order_by: UsersOrder = None,
    ) -> Connection[User]:
        """Pages through the members."""
        page = page_of(
            info, models.User, first, after, last, before, filter, order_by or UserOrderBy()
        )
        loaders, key = info.context.loaders, _row(self)["id"]
        return Listing(  # type: ignore[return-value]
            load=lambda: loaders.by(reads.Members(page), key),
            count=lambda: loaders.by(reads.MemberCounts(page.conditions), key),
        )

    @strawberry.field(description="The workspaces of exactly this department.")
    def workspaces(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            WorkspaceFilter | None, strawberry.argument(description="Which workspaces to give.")
        ] = None,
        order_by: Annotated[
            WorkspaceOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[LazyWorkspace]:
        """Pages through the workspaces."""
        order = order_by or WorkspaceOrderBy()
        page = page_of(info, WorkspaceRow, first, after, last, before, filter, order)
        return children(info, WorkspaceRow, "department_id", _row(self)["id"], page)

    @strawberry.field(description="The datasets of exactly this department.")
    def datasets(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            DatasetFilter | None, strawberry.argument(description="Which datasets to give.")
        ] = None,
        order_by: Annotated[
            DatasetOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[LazyDataset]:
        """Pages through the datasets."""
        page = page_of(info, DatasetRow, first, after, last, before, filter, order_by)
        return children(info, DatasetRow, "department_id", _row(self)["id"], page)

    @strawberry.field(description="The uploads of exactly this department.")
    def uploads(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            UploadFilter | None, strawberry.argument(description="Which uploads to give.")
        ] = None,
        order_by: Annotated[
            UploadOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[LazyUpload]:
        """Pages through the uploads."""
        page = page_of(info, UploadRow, first, after, last, before, filter, order_by)
        return children(info, UploadRow, "department_id", _row(self)["id"], page)

    @strawberry.field(description="The jobs of exactly this department.")
    def jobs(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            JobFilter | None, strawberry.argument(description="Which jobs to give.")
        ] = None,
        order_by: Annotated[
            JobOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[LazyJob]:
        """Pages through the jobs."""
        page = page_of(info, JobRow, first, after, last, before, filter, order_by)
        return children(info, JobRow, "department_id", _row(self)["id"], page)

    @strawberry.field(description="The results of exactly this department.")
    def results(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            ResultFilter | None, strawberry.argument(description="Which results to give.")
        ] = None,
        order_by: Annotated[
            ResultOrderBy | None, strawberry.argument(description="The order of the list.")
        ] = None,
    ) -> Connection[LazyResult]:
        """Pages through the results."""
        page = page_of(info, ResultRow, first, after, last, before, filter, order_by)
        return children(info, ResultRow, "department_id", _row(self)["id"], page)


@node(models.User, "An account; visible to whoever shares a department with it.")
class User(Node):
    """A row of `users`."""

    email: str = strawberry.field(description="The e-mail address that it signs in with.")
    full_name: str = strawberry.field(description="The person's name.")
    is_active: bool = strawberry.field(description="Whether the account is open.")
    is_verified: bool = strawberry.field(description="Whether the e-mail address was confirmed.")
    last_login_at: datetime | None = strawberry.field(description="When it last signed in.")
    password_changed_at: datetime | None = strawberry.field(
        description="When its password was last set."
    )
    created_at: datetime = strawberry.field(description="When the account was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    @strawberry.field(description="The departments that it is a member of, the visible ones.")
    async def departments(self, info: Info) -> list[Department]:
        """Loads the departments."""
        found = await info.context.loaders.by(reads.departments_of, _row(self)["id"])
        return found or []

    @strawberry.field(description="The roles that it bears, by name.")
    async def roles(self, info: Info) -> list[Role]:
        """Loads the roles."""
        found = await info.context.loaders.by(reads.roles_of, _row(self)["id"])
        return found or []


async def actor_of(info: Info, user_id: UUID) -> Actor:
    """The name behind an id that a visible row carries."""
    actor: Actor = await info.context.loaders.by(reads.actors, user_id)
    return actor


async def department_of(info: Info, department_id: UUID) -> Department:
    """The department of a visible row, which is visible with it."""
    return await info.context.loaders.one(models.Department, department_id)  # type: ignore[return-value]


def _row(source: Any) -> Any:
    # What Strawberry hands to a resolver as its object is the row itself.
    return source
