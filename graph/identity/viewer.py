"""Whoever asks."""

from __future__ import annotations

import strawberry

from domain.identity import models, reads
from graph.context import Info
from graph.identity.access_types import ApiToken, LinkedIdentity
from graph.identity.types import Department, User
from graph.scalars import encoded_id


@strawberry.type(description="Whoever asks: the account, and what this request may see and do.")
class Viewer:
    """The caller."""

    @strawberry.field(description="The caller's own account.")
    async def user(self, info: Info) -> User:
        """Loads the account."""
        key = info.context.signed_in.user_id
        return await info.context.loaders.one(models.User, key)  # type: ignore[return-value]

    @strawberry.field(
        description="The departments that the caller is a member of, those inside the scope."
    )
    async def departments(self, info: Info) -> list[Department]:
        """Loads the departments."""
        key = info.context.signed_in.user_id
        return await info.context.loaders.by(reads.departments_of, key) or []

    @strawberry.field(
        description="The ids of all departments that this request sees: those of the caller and "
        "all below them, unless the request was narrowed."
    )
    async def scope(self, info: Info) -> list[strawberry.ID]:
        """Gives what the transaction was opened with."""
        scope = await info.context.reads.scope()
        return [encoded_id("Department", key) for key in sorted(scope.departments)]

    @strawberry.field(description="What the caller may do in its scope, each as area:verb.")
    async def permissions(self, info: Info) -> list[str]:
        """Gives what the transaction was opened with."""
        return sorted((await info.context.reads.scope()).permissions)

    @strawberry.field(
        description="The caller's API tokens that were not revoked, the newest first; to a "
        "person's own session alone."
    )
    async def api_tokens(self, info: Info) -> list[ApiToken]:
        """Loads the tokens."""
        _ = info.context.in_person
        return await reads.api_tokens(info.context.reads)  # type: ignore[return-value]

    @strawberry.field(
        description="The sign-ins at identity providers that open the caller's account; to a "
        "person's own session alone."
    )
    async def linked_identities(self, info: Info) -> list[LinkedIdentity]:
        """Loads them."""
        _ = info.context.in_person
        return await reads.identities(info.context.reads)  # type: ignore[return-value]
