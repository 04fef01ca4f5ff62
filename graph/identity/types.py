"""Departments, users, roles, and whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.catalog.models import Dataset as DatasetRow
from domain.catalog.models import Upload as UploadRow
from domain.catalog.models import Workspace as WorkspaceRow
from domain.identity import models, reads
from domain.jobs.models import Job as JobRow
from domain.jobs.models import Result as ResultRow
from domain.paging import Page
from graph.catalog.inputs import (
    DatasetFilter,
    DatasetOrderBy,
    UploadFilter,
    UploadOrderBy,
    WorkspaceFilter,
    WorkspaceOrderBy,
)
from graph.context import Context
from graph.edges import batch_field, by, one
from graph.executor.batch import Loader
from graph.identity.inputs import DepartmentFilter, DepartmentOrderBy, UserFilter, UserOrderBy
from graph.jobs.inputs import JobFilter, JobOrderBy, ResultFilter, ResultOrderBy
from graph.loaders import Loaders
from graph.nodes import Node, node
from graph.paging import Connection, connection, connection_by
from graph.scalars import encoded_ids

if TYPE_CHECKING:
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


def actor_ids(_context: Context, actors: Sequence[Any], _arguments: Any) -> list[str]:
    """The ids that the users of actors have as nodes."""
    return encoded_ids("User", [actor["id"] for actor in actors])


def members(loaders: Loaders, page: Page) -> tuple[Loader, Loader]:
    """The loaders of the members of departments: of their pages and of their counts."""
    return loaders.of(reads.Members(page)), loaders.of(reads.MemberCounts(page.conditions))


@strawberry.type(description="A person behind something visible, whether or not its user is.")
class Actor:
    """What `actors` gives."""

    display_name: str = strawberry.field(description="The person's name.")

    id: strawberry.ID = batch_field(
        actor_ids, "The id of the person's user; `node` finds it only if visible.", "id"
    )


@strawberry.type(description="A named set of permissions, held in all departments of its bearer.")
class Role:
    """A row of `roles`."""

    name: str = strawberry.field(description="The role's name.")
    description: str | None = strawberry.field(description="What the role is for.")

    permissions: list[str] = by(
        reads.permissions_of, "id", "What the role allows, each written as area:verb.", missing=list
    )


@node(models.Department, "A node of the tree of departments; who sees it sees all below it.")
class Department(Node):
    """A row of `departments`."""

    code: str = strawberry.field(description="The unique code, which also stands for the id.")
    name: str = strawberry.field(description="The department's name.")
    description: str | None = strawberry.field(description="What the department does.")
    max_running_jobs: int = strawberry.field(description="How many of its jobs may run at once.")
    created_at: datetime = strawberry.field(description="When the department was made.")
    updated_at: datetime = strawberry.field(description="When it last changed.")

    parent: Department | None = one(
        models.Department,
        "parent_id",
        "The department above it, or null where that is not visible.",
    )

    manager: Actor | None = by(reads.actors, "manager_id", "Who manages it.")
    children: Connection[Department] = connection(
        models.Department,
        "parent_id",
        "The departments directly below it.",
        filter=DepartmentFilter,
        order_by=DepartmentOrderBy,
        ordered=True,
    )

    members: Connection[User] = connection_by(
        members,
        models.User,
        "The users who are members of exactly this department.",
        filter=UserFilter,
        order_by=UserOrderBy,
        ordered=True,
    )
    workspaces: Connection[LazyWorkspace] = connection(
        WorkspaceRow,
        "department_id",
        "The workspaces of exactly this department.",
        filter=WorkspaceFilter,
        order_by=WorkspaceOrderBy,
        ordered=True,
    )

    datasets: Connection[LazyDataset] = connection(
        DatasetRow,
        "department_id",
        "The datasets of exactly this department.",
        filter=DatasetFilter,
        order_by=DatasetOrderBy,
    )

    uploads: Connection[LazyUpload] = connection(
        UploadRow,
        "department_id",
        "The uploads of exactly this department.",
        filter=UploadFilter,
        order_by=UploadOrderBy,
    )

    jobs: Connection[LazyJob] = connection(
        JobRow,
        "department_id",
        "The jobs of exactly this department.",
        filter=JobFilter,
        order_by=JobOrderBy,
    )

    results: Connection[LazyResult] = connection(
        ResultRow,
        "department_id",
        "The results of exactly this department.",
        filter=ResultFilter,
        order_by=ResultOrderBy,
    )


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

    departments: list[Department] = by(
        reads.departments_of,
        "id",
        "The departments that it is a member of, the visible ones.",
        missing=list,
    )
    roles: list[Role] = by(reads.roles_of, "id", "The roles that it bears, by name.", missing=list)
