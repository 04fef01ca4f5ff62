"""The first accounts of an empty database, and what operators do to accounts from outside.

Accounts are made as the owner of the database, whom the policies let through: before the first
account there is nobody who could be allowed to make it.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import func, select, true
from sqlalchemy.dialects.postgresql import insert

from domain.bell import Silence
from domain.catalog.models import Workspace
from domain.database import Connection, Database, Row
from domain.errors import Duplicate, NotFound
from domain.identity.actions.proof import NOBODY, account_of
from domain.identity.actions.sessions import open_session
from domain.identity.checks import checked_email, checked_name
from domain.identity.models import Department, Role, User, UserDepartment, UserRole
from domain.identity.passwords import hash_password
from domain.identity.tokens import Tokens
from domain.scope import Origin
from domain.statements import compiled
from domain.work import working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from sqlalchemy.sql.base import Executable

    from domain.settings import Settings

FIRST = (
    ("admin", "Administrator", "company", "admin"),
    ("sales", "Sales", "sales", "editor"),
    ("supply", "Supply", "supply", "editor"),
    ("finance", "Finance", "finance", "editor"),
)
"""Address before ``@aetherflow.local``, full name, department, role."""


async def bootstrap(owner_url: str, password: str | None) -> str | None:
    """Makes the first accounts where there is none, with one password, and default workspaces.

    Gives the password, which it makes where none is given, or None where accounts exist already.
    Processes that start at once wait for each other. Raises `InvalidInput` for a password outside
    8 to 72 bytes.
    """
    async with _as_owner(owner_url) as owner:
        await owner.row(select(func.pg_advisory_xact_lock(func.hashtext("aetherflow.bootstrap"))))
        if await owner.row(select(User.id).limit(1)) is not None:
            return None
        chosen = password if password is not None else secrets.token_urlsafe(18)
        for name, full_name, department, role in FIRST:
            user_id = await _insert_user(
                owner, f"{name}@aetherflow.local", full_name, await hash_password(chosen)
            )
            await _join(owner, user_id, [department], [role])
            await _make_default_workspaces(owner, user_id, department)
        return chosen


async def add_user(
    owner_url: str,
    email: str,
    full_name: str,
    password: str | None,
    departments: Sequence[str],
    roles: Sequence[str],
) -> UUID:
    """Makes an account as an operator, and gives its id. Departments are codes, roles names.

    Raises `InvalidInput` for what breaks a rule, `NotFound` for an unknown department or role, and
    `Duplicate` for an address that an account has already.
    """
    checked = checked_email(email), checked_name(full_name, "fullName")
    password_hash = await hash_password(password) if password is not None else None
    async with _as_owner(owner_url) as owner:
        user_id = await _insert_user(owner, *checked, password_hash)
        await _join(owner, user_id, departments, roles)
        await _make_default_workspaces(owner, user_id)
        return user_id


async def issue_token(settings: Settings, email: str) -> str:
    """Gives an access token for an account without asking for its password, for scripts.

    Whoever holds the secret key can make tokens anyway. Its session shows where it came from, and
    lasts no longer than the token. Raises `NotFound` where no active account has this address.
    """
    tokens = Tokens(settings)
    database = Database(settings)
    await database.open()
    try:
        async with working(database, None, Silence()) as work:
            work.public()
            account = await account_of(work, email)
            await work.become(account.user_id)
            active = select(User.id).where(User.id == account.user_id, User.is_active)
            if account.user_id == NOBODY or await work.row(active) is None:
                message = f"No active account has the address {email!r}."
                raise NotFound(message)
            session_id, _ = await open_session(
                work, account.user_id, tokens.access_life, Origin("aetherflow token")
            )
    finally:
        await database.close()
    return tokens.access(account.user_id, session_id)[0]


class _Owner:
    """A transaction of the database's owner."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, executable: Executable) -> list[Row]:
        statement = compiled(executable)
        rows: list[Row] = await self._connection.fetch(
            statement.text, *statement.arguments({}), record_class=Row
        )
        return rows

    async def row(self, executable: Executable) -> Row | None:
        rows = await self.rows(executable)
        return rows[0] if rows else None


@asynccontextmanager
async def _as_owner(owner_url: str) -> AsyncIterator[_Owner]:
    url = owner_url.replace("+asyncpg", "")
    connection = await asyncpg.connect(url, connection_class=Connection)
    try:
        async with connection.transaction():
            yield _Owner(connection)
    finally:
        await connection.close()


async def _insert_user(
    owner: _Owner, email: str, full_name: str, password_hash: str | None
) -> UUID:
    row = await owner.row(
        insert(User)
        .values(
            email=email,
            full_name=full_name,
            password_hash=password_hash,
            password_changed_at=func.now() if password_hash else None,
        )
        .on_conflict_do_nothing()
        .returning(User.id)
    )
    if row is None:
        message = f"An account with the address {email} exists already."
        raise Duplicate(message)
    user_id: UUID = row.id
    return user_id


async def _join(
    owner: _Owner, user_id: UUID, departments: Sequence[str], roles: Sequence[str]
) -> None:
    for code in departments:
        department = await owner.row(select(Department.id).where(Department.code == code))
        if department is None:
            message = f"There is no department with the code {code!r}."
            raise NotFound(message)
        await owner.rows(
            insert(UserDepartment)
            .values(user_id=user_id, department_id=department.id)
            .on_conflict_do_nothing()
        )
    for name in roles:
        role = await owner.row(select(Role.id).where(Role.name == name))
        if role is None:
            message = f"There is no role named {name!r}."
            raise NotFound(message)
        await owner.rows(
            insert(UserRole).values(user_id=user_id, role_id=role.id).on_conflict_do_nothing()
        )


async def _make_default_workspaces(owner: _Owner, user_id: UUID, code: str | None = None) -> None:
    # The departments that the migrations made have none, because nobody was there to own it.
    missing = (
        select(Department.id, Department.name)
        .outerjoin(Workspace, (Workspace.department_id == Department.id) & Workspace.is_default)
        .where(Workspace.id.is_(None), Department.code == code if code else true())
    )
    for department in await owner.rows(missing):
        await owner.rows(
            insert(Workspace).values(
                department_id=department.id,
                name=department.name,
                owner_id=user_id,
                is_default=True,
            )
        )
