"""Reads of people and departments that no foreign key alone answers, each one statement a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import INET, TIMESTAMP

from domain.filters import filtered
from domain.identity.models import (
    ApiToken,
    Department,
    Role,
    RolePermission,
    User,
    UserDepartment,
    UserIdentity,
    UserRole,
)
from domain.paging import Rows, ordering, visible, within
from domain.scope import USER_SQL
from domain.statements import columns, kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from domain.database import Row
    from domain.filters import Condition
    from domain.paging import Order, Page
    from domain.reads import Reads

KEYS = bindparam("keys", type_=ARRAY(Uuid()))


async def actors(reads: Reads, ids: Sequence[UUID]) -> Mapping[UUID, Row]:
    """The names behind ids that visible rows carry, whoever they belong to."""
    return {row.id: row for row in await reads.rows(actor_names(), keys=list(ids))}


async def roles_of(reads: Reads, user_ids: Sequence[UUID]) -> Mapping[UUID, list[Row]]:
    """The roles that users bear, by name."""
    return _grouped(await reads.rows(_roles_of(), keys=list(user_ids)), "user_id", user_ids)


async def permissions_of(reads: Reads, role_ids: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    """What roles allow, in alphabetical order."""
    rows = await reads.rows(_permissions_of(), keys=list(role_ids))
    groups = _grouped(rows, "role_id", role_ids)
    return {role: [row.permission for row in group] for role, group in groups.items()}


async def departments_of(reads: Reads, user_ids: Sequence[UUID]) -> Mapping[UUID, list[Row]]:
    """The departments that users are members of, those of them inside the scope, by name."""
    return _grouped(await reads.rows(_departments_of(), keys=list(user_ids)), "user_id", user_ids)


async def departments_by_code(reads: Reads, codes: Sequence[str]) -> Mapping[str, Row]:
    """The departments of these codes that are inside the scope."""
    return {row.code: row for row in await reads.rows(_departments_by_code(), codes=list(codes))}


async def roles(reads: Reads) -> list[Row]:
    """All roles, by name. They are few, and everybody reads them."""
    return await reads.rows(_roles())


class Members:
    """One page of the members of each department; equal pages are one batch to a loader."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Members) and other._page.identity() == self._page.identity()

    def __hash__(self) -> int:
        return hash(self._page.identity())

    async def __call__(self, reads: Reads, departments: Sequence[UUID]) -> Mapping[UUID, Rows]:
        """The pages by department, in one statement."""
        page = self._page
        rows = await reads.rows(
            _members(page.shape()), keys=list(departments), **page.arguments(User)
        )
        groups = _grouped(rows, "department_id", departments)
        return {department: Rows.of(group, page) for department, group in groups.items()}


class MemberCounts:
    """How many members of each department a filter lets through."""

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        self._conditions = conditions
        self._identity = tuple((c.column, c.operator, repr(c.value)) for c in conditions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemberCounts) and other._identity == self._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    async def __call__(self, reads: Reads, departments: Sequence[UUID]) -> Mapping[UUID, int]:
        """The counts by department, in one statement."""
        values = {c.parameter: c.argument for c in self._conditions}
        rows = await reads.rows(_member_counts(self._conditions), keys=list(departments), **values)
        counts: dict[UUID, int] = dict.fromkeys(departments, 0)
        return counts | {row.key: row["count"] for row in rows}


@kept
def account_by_email() -> tuple[Select[Any], None]:
    """What signing in needs of the account of ``$email``, through a function of the definer's."""
    account = func.login_lookup(bindparam("email", type_=Text())).table_valued(
        column("id", Uuid()),
        column("password_hash", Text()),
        column("is_active", Boolean()),
        column("locked_until", TIMESTAMP(timezone=True)),
        name="account",
    )
    return select(account.c.id, account.c.password_hash, account.c.is_active), None


async def sessions_of(reads: Reads, user_ids: Sequence[UUID]) -> Mapping[UUID, list[Row]]:
    """The open sessions of users, the newest first; of those alone whom the caller governs."""
    return _grouped(await reads.rows(_sessions_of(), keys=list(user_ids)), "user_id", user_ids)


async def api_tokens(reads: Reads) -> list[Row]:
    """The caller's own API tokens that were not revoked, the newest first."""
    return await reads.rows(_api_tokens())


async def identities(reads: Reads) -> list[Row]:
    """The accounts at identity providers that the caller signs in with, the oldest first."""
    return await reads.rows(_identities())


@kept
def actor_names() -> tuple[Select[Any], None]:
    """The display names of the accounts of ``$keys``, seen or not, by the definer's function."""
    actor = func.actors(KEYS).table_valued(
        column("id", Uuid()), column("display_name", Text()), name="actor"
    )
    return select(actor.c.id, actor.c.display_name), None


@kept
def _sessions_of() -> tuple[Select[Any], None]:
    session = func.sessions_of(KEYS).table_valued(
        column("id", Uuid()),
        column("user_id", Uuid()),
        column("user_agent", Text()),
        column("ip_address", INET()),
        column("created_at", TIMESTAMP(timezone=True)),
        column("last_used_at", TIMESTAMP(timezone=True)),
        column("expires_at", TIMESTAMP(timezone=True)),
        name="session",
    )
    newest = (session.c.created_at.desc(), session.c.id.desc())
    return select(*session.c).order_by(*newest), None


@kept
def _api_tokens() -> tuple[Select[Any], type[ApiToken]]:
    return (
        select(*columns(ApiToken))
        .where(visible(ApiToken), ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.created_at.desc(), ApiToken.id.desc()),
        ApiToken,
    )


@kept
def _identities() -> tuple[Select[Any], type[UserIdentity]]:
    mine = UserIdentity.user_id == literal_column(USER_SQL)
    return (
        select(*columns(UserIdentity))
        .where(visible(UserIdentity), mine)
        .order_by(UserIdentity.created_at, UserIdentity.id),
        UserIdentity,
    )


@kept
def _roles_of() -> tuple[Select[Any], type[Role]]:
    return (
        select(*columns(Role), UserRole.user_id)
        .join(UserRole, UserRole.role_id == Role.id)
        .where(UserRole.user_id == func.any(KEYS), visible(UserRole))
        .order_by(Role.name),
        Role,
    )


@kept
def _permissions_of() -> tuple[Select[Any], type[RolePermission]]:
    return (
        select(*columns(RolePermission))
        .where(RolePermission.role_id == func.any(KEYS))
        .order_by(RolePermission.permission),
        RolePermission,
    )


@kept
def _departments_of() -> tuple[Select[Any], type[Department]]:
    return (
        select(*columns(Department), UserDepartment.user_id)
        .join(UserDepartment, UserDepartment.department_id == Department.id)
        .where(
            UserDepartment.user_id == func.any(KEYS),
            visible(UserDepartment),
            visible(Department),
        )
        .order_by(Department.name, Department.id),
        Department,
    )


@kept
def _departments_by_code() -> tuple[Select[Any], type[Department]]:
    codes = bindparam("codes", type_=ARRAY(Text()))
    return (
        select(*columns(Department)).where(Department.code == func.any(codes), visible(Department)),
        Department,
    )


@kept
def _members(
    shape: tuple[Order, bool, bool, bool, tuple[Condition, ...]],
) -> tuple[Select[Any], type[User]]:
    key = func.unnest(KEYS).table_valued(column("key", Uuid()), with_ordinality="place", name="k")
    key = key.render_derived()
    inner = (
        select(*columns(User), UserDepartment.department_id)
        .join(UserDepartment, UserDepartment.user_id == User.id)
        .where(
            UserDepartment.department_id == key.c.key,
            visible(UserDepartment),
            visible(User),
            *within(User, shape),
        )
        .order_by(*ordering(User, shape[0], backward=shape[1]))
        .limit(bindparam("size", type_=Integer()))
        .lateral("c")
    )
    return select(*inner.c).select_from(key.join(inner, true())).order_by(
        key.c.place, *ordering(inner, shape[0], backward=shape[1])
    ), User


@kept
def _member_counts(conditions: tuple[Condition, ...]) -> tuple[Select[Any], None]:
    department: ColumnElement[Any] = UserDepartment.__table__.c.department_id
    return (
        select(department.label("key"), func.count().label("count"))
        .join(User, User.id == UserDepartment.user_id)
        .where(
            department == func.any(KEYS),
            visible(UserDepartment),
            visible(User),
            *filtered(User, conditions),
        )
        .group_by(department),
        None,
    )


@kept
def _roles() -> tuple[Select[Any], type[Role]]:
    return select(*columns(Role)).order_by(Role.name), Role


def _grouped(rows: list[Row], key: str, keys: Sequence[UUID]) -> dict[UUID, list[Row]]:
    groups: dict[UUID, list[Row]] = {each: [] for each in keys}
    for row in rows:
        groups[row[key]].append(row)
    return groups
