"""Reading people and departments."""

from __future__ import annotations

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.identity import models, reads
from graph.context import Info
from graph.edges import found
from graph.identity.access_types import Session, SignInProvider
from graph.identity.audit import AuditQueries
from graph.identity.inputs import DepartmentFilter, DepartmentOrderBy, UserFilter, UserOrderBy
from graph.identity.sign_in import start_url
from graph.identity.types import (
    Department,
    Role,
    User,
)
from graph.identity.viewer import Viewer
from graph.paging import Connection, scoped_connection
from graph.scalars import key_of


@strawberry.type
class IdentityQueries(AuditQueries):
    """Root fields about people and departments."""

    @strawberry.field(
        description="The identity providers by which people can sign in here. Needs nobody to be "
        "signed in."
    )
    def sign_in_providers(self, info: Info) -> list[SignInProvider]:
        """Gives the settings' providers."""
        parts = info.context.parts
        return [
            SignInProvider(
                name=provider.name,
                title=provider.title or provider.name,
                start_url=start_url(parts, provider),
            )
            for provider in parts.settings.oidc_providers
        ]

    @strawberry.field(description="Whoever asks, and what this request may see and do.")
    def viewer(self, info: Info) -> Viewer:
        """Needs somebody to be signed in."""
        _ = info.context.signed_in
        return Viewer()

    @strawberry.field(
        description="The department with this id or code, or null where there is none to be seen."
    )
    async def department(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The department's id.")
        ] = None,
        code: Annotated[
            str | None, strawberry.argument(description="The department's code.")
        ] = None,
    ) -> Department | None:
        """Loads one department."""
        loaders = info.context.loaders
        if id is not None and code is None:
            return await loaders.one(models.Department, key_of("Department", id))  # type: ignore[return-value]
        if code is not None and id is None:
            return await loaders.by(reads.departments_by_code, code)  # type: ignore[no-any-return]
        raise InvalidInput.at("id", "Name the department by its id or by its code.")

    departments: Connection[Department] = scoped_connection(
        models.Department,
        "The departments that the caller sees.",
        filter=DepartmentFilter,
        order_by=DepartmentOrderBy,
        ordered=True,
    )

    user: User | None = found(
        models.User,
        "The user with this id, or null where there is none to be seen.",
        "The user's id.",
    )

    users: Connection[User] = scoped_connection(
        models.User,
        "The users who share a department with what the caller sees.",
        filter=UserFilter,
        order_by=UserOrderBy,
        ordered=True,
    )

    @strawberry.field(
        description="The open sessions of a user, of the caller unless another is named, the "
        "newest hundred. There are none to be seen of users whom the caller may not write in all "
        "of their departments, nor for an API token."
    )
    async def sessions(
        self,
        info: Info,
        user_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose sessions to give.")
        ] = None,
    ) -> list[Session]:
        """Loads the sessions, those of several users in one statement."""
        own = info.context.signed_in.user_id
        key = own if user_id is None else key_of("User", user_id)
        return await info.context.loaders.by(reads.sessions_of, key) or []

    @strawberry.field(description="All roles that a user can bear, by name.")
    async def roles(self, info: Info) -> list[Role]:
        """Loads the roles."""
        return await reads.roles(info.context.reads)  # type: ignore[return-value]
