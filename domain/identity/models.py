"""Departments, users, roles, memberships and sessions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from domain.models import NOW, Base, Created, Identified, Timestamped, one_of, words
from domain.permissions import Permission
from domain.scope import ScopeKind


class Department(Identified, Timestamped, Base):
    """A node of the tree of departments, whose root is ``company``. Its own id is its scope."""

    __tablename__ = "departments"
    scope_kind = ScopeKind.DEPARTMENT

    code: Mapped[str] = words("code", 50)
    name: Mapped[str] = words("name", 255)
    description: Mapped[str | None]
    parent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("departments.id", ondelete="RESTRICT")
    )
    manager_id: Mapped[UUID | None] = mapped_column(
        ForeignKey(
            "users.id", ondelete="SET NULL", use_alter=True, name="departments_manager_id_fkey"
        )
    )
    max_running_jobs: Mapped[int] = mapped_column(Integer, server_default=text("4"))

    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("code ~ '^[a-z][a-z0-9_-]*$'", name="code_form"),
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
        CheckConstraint("max_running_jobs >= 1", name="max_running_jobs"),
        Index(
            "departments_one_root_idx",
            text("(true)"),
            unique=True,
            postgresql_where=text("parent_id is null"),
        ),
        Index("departments_name_idx", "name"),
        Index("departments_parent_id_idx", "parent_id"),
        Index("departments_manager_id_idx", "manager_id"),
    )


class User(Identified, Timestamped, Base):
    """An account. It is deactivated when its person leaves, and never purged."""

    __tablename__ = "users"
    scope_kind = ScopeKind.PERSON
    read_permission = Permission.USER_READ
    unread = frozenset({"password_hash"})

    email: Mapped[str] = words("email", 255)
    password_hash: Mapped[str | None] = words("password_hash", 255)
    full_name: Mapped[str] = words("full_name", 255)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_verified: Mapped[bool] = mapped_column(server_default=text("false"))
    last_login_at: Mapped[datetime | None]
    failed_login_count: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    locked_until: Mapped[datetime | None]
    password_changed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("email"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        CheckConstraint("failed_login_count >= 0", name="failed_login_count"),
        Index("users_is_active_idx", "is_active", postgresql_where=text("is_active")),
        Index("users_created_at_id_idx", text("created_at desc"), text("id desc")),
    )


class UserIdentity(Identified, Created, Base):
    """An account at an identity provider, keyed by issuer and subject and never by e-mail."""

    __tablename__ = "user_identities"
    scope_kind = ScopeKind.PERSON
    read_permission = Permission.USER_READ

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    issuer: Mapped[str] = words("issuer", 255)
    subject: Mapped[str] = words("subject", 255)

    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        Index("user_identities_user_id_idx", "user_id"),
    )


class Role(Identified, Timestamped, Base):
    """A named set of permissions, which holds in all departments of its bearer."""

    __tablename__ = "roles"
    scope_kind = ScopeKind.SHARED

    name: Mapped[str] = words("name", 100)
    description: Mapped[str | None]

    __table_args__ = (UniqueConstraint("name"),)


class RolePermission(Identified, Created, Base):
    """One permission of a role."""

    __tablename__ = "role_permissions"
    scope_kind = ScopeKind.SHARED

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    permission: Mapped[str] = words("permission", 100)

    __table_args__ = (
        UniqueConstraint("role_id", "permission"),
        Index("role_permissions_permission_idx", "permission"),
    )


class UserRole(Identified, Base):
    """A role that a user bears."""

    __tablename__ = "user_roles"
    scope_kind = ScopeKind.PERSON
    read_permission = Permission.USER_READ

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id", ondelete="CASCADE"))
    assigned_at: Mapped[datetime] = mapped_column(server_default=NOW)
    assigned_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    __table_args__ = (
        UniqueConstraint("user_id", "role_id"),
        Index("user_roles_role_id_idx", "role_id"),
        Index("user_roles_assigned_by_idx", "assigned_by"),
    )


class UserDepartment(Identified, Base):
    """A membership: the user sees this department and all below it."""

    __tablename__ = "user_departments"
    scope_kind = ScopeKind.DEPARTMENT
    read_permission = Permission.USER_READ

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    department_id: Mapped[UUID] = mapped_column(ForeignKey("departments.id", ondelete="CASCADE"))
    assigned_at: Mapped[datetime] = mapped_column(server_default=NOW)
    assigned_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    __table_args__ = (
        UniqueConstraint("user_id", "department_id"),
        Index("user_departments_department_id_user_id_idx", "department_id", "user_id"),
        Index("user_departments_assigned_by_idx", "assigned_by"),
    )


class RevokedReason(StrEnum):
    """Why a session ended before its time."""

    LOGOUT = "logout"
    REUSE = "reuse"
    """A refresh token came a second time, so somebody else may hold a copy of it."""
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (a reason, no password)
    DEACTIVATED = "deactivated"


class Session(Identified, Timestamped, Base):
    """A family of refresh tokens: each use makes the next generation, and only that one holds."""

    __tablename__ = "sessions"
    scope_kind: ClassVar[ScopeKind] = ScopeKind.OWN

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    generation: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime] = mapped_column(server_default=NOW)
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = one_of("revoked_reason", RevokedReason)
    user_agent: Mapped[str | None] = words("user_agent", 500)
    ip_address: Mapped[str | None] = mapped_column(INET)

    __table_args__ = (
        CheckConstraint("generation >= 1", name="generation"),
        CheckConstraint(
            "(revoked_at is null) = (revoked_reason is null)", name="revoked_for_a_reason"
        ),
        Index("sessions_user_id_idx", "user_id"),
        Index("sessions_expires_at_idx", "expires_at"),
    )
