"""What opens an account: sessions, API tokens, and sign-ins at identity providers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import strawberry

from domain.identity import models
from graph.context import Info
from graph.identity.types import Department
from graph.scalars import encoded_id


@strawberry.type(description="An open session: somewhere an account is signed in.")
class Session:
    """A row of `sessions` as the definer's function shows it."""

    user_agent: str | None = strawberry.field(
        description="What the program that signed in called itself."
    )
    created_at: datetime = strawberry.field(description="When it began.")
    last_used_at: datetime = strawberry.field(description="When its tokens were last refreshed.")
    expires_at: datetime = strawberry.field(description="When it ends unless it is used.")

    @strawberry.field(description="The id for revokeSession.")
    def id(self) -> strawberry.ID:
        """Makes the id."""
        return encoded_id("Session", _row(self)["id"])

    @strawberry.field(description="The network address that it was begun from.")
    def address(self) -> str | None:
        """Writes the address out."""
        address = _row(self).ip_address
        return None if address is None else str(address)

    @strawberry.field(description="Whether it is the session that this request came with.")
    def is_current(self, info: Info) -> bool:
        """Compares with the caller's."""
        current: bool = _row(self)["id"] == info.context.signed_in.session_id
        return current


@strawberry.type(description="What a machine may do in its maker's name; its text is never shown.")
class ApiToken:
    """A row of `api_tokens`."""

    name: str = strawberry.field(description="What its maker calls it.")
    permissions: list[str] = strawberry.field(
        description="What it may do at most: of these, what its maker may do today."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="When it ends.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to the minute."
    )

    @strawberry.field(description="The id for revokeApiToken.")
    def id(self) -> strawberry.ID:
        """Makes the id."""
        return encoded_id("ApiToken", _row(self)["id"])

    @strawberry.field(
        description="The departments that it reaches with all below them, those that its maker "
        "still sees."
    )
    async def departments(self, info: Info) -> list[Department]:
        """Loads the departments, those of all tokens in one statement."""
        loaders = info.context.loaders
        keys = _row(self).department_ids
        found: Any = await asyncio.gather(*(loaders.one(models.Department, key) for key in keys))
        return sorted((row for row in found if row), key=lambda row: row.name)


@strawberry.type(description="An account at an identity provider that opens the caller's account.")
class LinkedIdentity:
    """A row of `user_identities`."""

    issuer: str = strawberry.field(description="The identity provider, as it names itself.")
    created_at: datetime = strawberry.field(description="When it was linked.")

    @strawberry.field(description="The id for unlinkIdentity.")
    def id(self) -> strawberry.ID:
        """Makes the id."""
        return encoded_id("LinkedIdentity", _row(self)["id"])


@strawberry.type(description="An identity provider by which people can sign in here.")
class SignInProvider:
    """One of the settings' providers."""

    name: str = strawberry.field(description="Its name in addresses and for linkIdentity.")
    title: str = strawberry.field(description="Its name to show to people.")
    start_url: str = strawberry.field(
        description="Where the browser goes to sign in, with the parameters challenge (the S256 "
        "challenge of a verifier that the page keeps) and return_to (the page to come back to) "
        "added. It comes back with sign_in_code, for completeSignIn, after the #."
    )


def _row(source: Any) -> Any:
    # What Strawberry hands to a resolver as its object is the row itself.
    return source
