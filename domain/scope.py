"""The department scope: who asks, which departments that opens, and the filter every read carries.

PostgreSQL's row-level security enforces the same a second time; see ``docs/decisions``. Both read
the settings that `begin_scope` makes for one transaction, so neither can outlive it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, literal_column, or_, true

from domain.errors import InvalidInput

if TYPE_CHECKING:
    from uuid import UUID

    from domain.models import Base

DEPARTMENTS_SQL = "(select nullif(current_setting('app.department_ids', true), '')::uuid[])"
"""The departments of this transaction; one evaluation a statement, as policies write it too."""

USER_SQL = "(select nullif(current_setting('app.user_id', true), '')::uuid)"
"""The account that this transaction acts for."""

PERMISSIONS_SQL = "current_setting('app.permissions', true)"
"""The permissions of this transaction, split by commas."""

_PERMISSION = re.compile(r"[a-z0-9_:-]{1,100}")
_TRACE = re.compile(r"[A-Za-z0-9._~: -]{1,64}")
_DEPARTMENT = re.compile(r"[a-z][a-z0-9_-]{0,49}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ScopeKind(StrEnum):
    """How the rows of a table belong to somebody; every table has exactly one."""

    DEPARTMENT = "department"
    """A row belongs to ``department_id`` and is seen by whoever sees that department."""
    PERSON = "person"
    """A row is about a user, and is seen by that user and whoever shares a department."""
    OWN = "own"
    """A row belongs to ``user_id`` alone."""
    SHARED = "shared"
    """Read by all who are signed in, written by permission."""
    OPERATORS = "operators"
    """A row may have a department, which sees it; without one it is seen by whoever sees the whole
    company, or by nobody where nothing is granted."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """Which API token a caller holds: its id, and the digest that proves it."""

    id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a transaction acts for.

    ``session_id`` is None for work that no session stands behind, such as a job's.
    ``narrow`` is the code or id of a department below which the scope ends, or None.
    ``token`` is the API token that stands behind the call in place of a session; it only narrows.
    """

    user_id: UUID
    session_id: UUID | None
    narrow: str | None = None
    token: TokenKey | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from, as the audit log and the list of sessions show it."""

    user_agent: str | None = None
    address: str | None = None
    request_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What an identity may see (departments) and do there (permissions)."""

    departments: frozenset[UUID]
    permissions: frozenset[str]


def narrowed(value: str | None) -> str | None:
    """Checks the form of a requested department: its code or its id.

    Raises `InvalidInput` where it is neither, so that it can stand in SQL text as it is.
    """
    if value is None or _DEPARTMENT.fullmatch(value):
        return value
    message = "A department is named by its code, such as 'supply', or by its id."
    raise InvalidInput.at("department", message)


def opening(identity: Identity, *, write: bool, origin: Origin | None = None) -> str:
    """The text that opens a transaction and its scope in one round trip.

    The driver sends several statements at once only as plain text. What stands in it are UUIDs, a
    digest in hexadecimal, a word that `narrowed` let through and what `traced` did, so nothing can
    be smuggled in.
    """
    mode = "read committed read write" if write else "repeatable read read only"
    narrow = f"'{narrowed(identity.narrow)}'" if identity.narrow else "null"
    begin = f"begin isolation level {mode}; {traced(origin)}"
    if identity.token is not None:
        digest = bytes.fromhex(identity.token.digest).hex()
        return (
            f"{begin}select * from begin_token_scope("  # noqa: S608 (see above)
            f"'{identity.user_id}', '{identity.token.id}', '{digest}', {narrow})"
        )
    session = f"'{identity.session_id}'" if identity.session_id else "null"
    return (
        f"{begin}select * from "  # noqa: S608 (see above)
        f"begin_scope('{identity.user_id}', {session}, {narrow})"
    )


def opening_shared(scope: Scope) -> str:
    """The text that opens a read for whoever has this scope, and for no account in particular.

    What such a read gives is the same for all who share the scope: rows that an account would see
    only because they are its own are not among it. The scope was taken by `begin_scope` a moment
    before; what stands in the text are its UUIDs and permissions. Raises `ValueError` for words
    that are no permissions.
    """
    for word in scope.permissions:
        if not _PERMISSION.fullmatch(word):
            raise ValueError(word)
    departments = "{" + ",".join(str(key) for key in sorted(scope.departments)) + "}"
    return (
        "begin isolation level repeatable read read only; "
        f"select set_config('app.user_id', '', true), "
        f"set_config('app.department_ids', '{departments}', true), "
        f"set_config('app.permissions', '{','.join(sorted(scope.permissions))}', true); "
        f"select unnest('{departments}'::uuid[])"
    )


def traced(origin: Origin | None) -> str:
    """The text that notes for the audit log where a transaction comes from; "" where nobody said.

    What has not the form of a request id, a reason or an address is left out.
    """
    if origin is None:
        return ""
    settings = {
        "request_id": origin.request_id,
        "reason": origin.reason,
        "address": plain_address(origin.address),
    }
    noted = [
        f"set_config('app.{name}', '{value}', true)"
        for name, value in settings.items()
        if value and _TRACE.fullmatch(value)
    ]
    return f"select {', '.join(noted)}; " if noted else ""


def plain_address(text: str | None) -> str | None:
    """An IP address as the database takes it, without its zone; None for what is none.

    A caller behind a local socket has a name there, or nothing, in place of an address.
    """
    try:
        return str(ip_address(text.partition("%")[0])) if text else None
    except ValueError:
        return None


def condition(model: type[Base]) -> ColumnElement[bool]:
    """The filter that keeps a statement on ``model`` inside the scope and its read permission."""
    return and_(_within(model), permitted(model))


def permitted(model: type[Base]) -> ColumnElement[bool]:
    """The filter by the read permission of ``model`` alone.

    What a row says about the caller itself needs no permission.
    """
    if model.read_permission is None:
        return true()
    allowed: ColumnElement[bool] = literal_column(
        f"(select '{model.read_permission}' = any (string_to_array({PERMISSIONS_SQL}, ',')))"
    )
    return or_(_about_me(model), allowed) if _is_personal(model) else allowed


def _within(model: type[Base]) -> ColumnElement[bool]:
    columns = model.__table__.c
    match model.scope_kind:
        case ScopeKind.DEPARTMENT:
            name = "id" if model.__tablename__ == "departments" else "department_id"
            return columns[name] == _any(DEPARTMENTS_SQL)
        case ScopeKind.PERSON:
            colleagues: ColumnElement[Any] = literal_column(
                "any (select user_id from user_departments "  # noqa: S608 (a constant)
                f"where department_id = any ({DEPARTMENTS_SQL}::uuid[]))"
            )
            return or_(_about_me(model), _person(model) == colleagues)
        case ScopeKind.OWN:
            return _about_me(model)
        case ScopeKind.SHARED:
            return true()
        case ScopeKind.OPERATORS:
            company: ColumnElement[Any] = literal_column(
                "exists (select from departments "
                f"where parent_id is null and id = any ({DEPARTMENTS_SQL}::uuid[]))"
            )
            here = columns["department_id"] == _any(DEPARTMENTS_SQL)
            return or_(here, and_(columns["department_id"].is_(None), company))


def _is_personal(model: type[Base]) -> bool:
    # Who did something is named in the log of it, and doesn't own that log.
    if model.scope_kind is ScopeKind.OPERATORS:
        return False
    return model.__tablename__ == "users" or "user_id" in model.__table__.c


def _person(model: type[Base]) -> ColumnElement[Any]:
    return model.__table__.c["id" if model.__tablename__ == "users" else "user_id"]


def _about_me(model: type[Base]) -> ColumnElement[bool]:
    return _person(model) == literal_column(USER_SQL)


def _any(array_sql: str) -> ColumnElement[Any]:
    return literal_column(f"any ({array_sql}::uuid[])")
