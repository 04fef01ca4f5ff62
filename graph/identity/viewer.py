"""Whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import strawberry

from domain.identity import models, reads
from graph.context import Context, Info
from graph.edges import batch_field
from graph.executor.batch import Load
from graph.identity.access_types import ApiToken, LinkedIdentity
from graph.identity.types import Department, User
from graph.scalars import encoded_ids

if TYPE_CHECKING:
    from domain.reads import Reads
    from domain.scope import Scope

SCOPE = "scope"


def _user(context: Context, viewers: Sequence[Any], _arguments: Any) -> Load:
    keys = [context.signed_in.user_id] * len(viewers)
    return Load(context.loaders.rows_of(models.User), keys)


def _departments(context: Context, viewers: Sequence[Any], _arguments: Any) -> Load:
    keys = [context.signed_in.user_id] * len(viewers)
    loader = context.loaders.of(reads.departments_of)
    return Load(loader, keys, lambda found: [each or [] for each in found])


async def _opened(snapshot: Reads, _keys: list[Any]) -> Mapping[str, Scope]:
    return {SCOPE: await snapshot.scope()}


def _of_scope(value: Callable[[Scope], Any]) -> Any:
    def load(context: Context, viewers: Sequence[Any], _arguments: Any) -> Load:
        keys = [SCOPE] * len(viewers)
        return Load(context.loaders.of(_opened), keys, lambda found: list(map(value, found)))

    return load


@strawberry.type(description="Whoever asks: the account, and what this request may see and do.")
class Viewer:
    """The caller."""

    user: User = batch_field(_user, "The caller's own account.")
    departments: list[Department] = batch_field(
        _departments, "The departments that the caller is a member of, those inside the scope."
    )
    scope: list[strawberry.ID] = batch_field(
        _of_scope(lambda scope: encoded_ids("Department", sorted(scope.departments))),
        "The ids of all departments that this request sees: those of the caller and "
        "all below them, unless the request was narrowed.",
    )
    permissions: list[str] = batch_field(
        _of_scope(lambda scope: sorted(scope.permissions)),
        "What the caller may do in its scope, each as area:verb.",
    )

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
