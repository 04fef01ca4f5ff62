"""Departments, users, roles, memberships and sessions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
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
    PASSWORD_RESET = "password_reset"  # noqa: S105 (a reason, no password)
    REVOKED = "revoked"
    """Its user ended it from elsewhere, or somebody who may change the account did."""


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


class ApiToken(Identified, Timestamped, Base):
    """A machine's way in: some of its maker's permissions in some departments, for a time.

    It only ever narrows what its user may do today.
    """

    __tablename__ = "api_tokens"
    scope_kind: ClassVar[ScopeKind] = ScopeKind.OWN
    unread = frozenset({"token_hash"})

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = words("name", 255)
    token_hash: Mapped[str] = words("token_hash", 64)
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    department_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    """It reaches these departments and all below them."""
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("cardinality(permissions) > 0", name="permissions_given"),
        CheckConstraint("cardinality(department_ids) > 0", name="department_ids_given"),
        Index("api_tokens_user_id_idx", "user_id"),
    )


class CodePurpose(StrEnum):
    """What a one-time code is good for."""

    RESET_PASSWORD = "reset_password"  # noqa: S105 (a purpose, no password)
    VERIFY_EMAIL = "verify_email"
    SIGN_IN = "sign_in"
    LINK = "link"


class OneTimeCode(Identified, Created, Base):
    """The digest of a code that works once and not for long.

    A letter's code names its account, or none where the address was nobody's. One that an identity
    provider's answer made says who that is (issuer, subject) and which page asked (challenge).
    """

    __tablename__ = "one_time_codes"
    scope_kind = ScopeKind.OPERATORS

    purpose: Mapped[str] = one_of("purpose", CodePurpose)
    code_hash: Mapped[str] = words("code_hash", 64)
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    issuer: Mapped[str | None] = words("issuer", 255)
    subject: Mapped[str | None] = words("subject", 255)
    email: Mapped[str | None] = words("email", 255)
    full_name: Mapped[str | None] = words("full_name", 255)
    challenge: Mapped[str | None] = words("challenge", 64)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("code_hash"),
        Index("one_time_codes_user_id_idx", "user_id"),
        Index("one_time_codes_expires_at_idx", "expires_at"),
    )


class LoginAttempt(Identified, Base):
    """How many attempts there were to prove a password, for one account or from one address.

    The subject is a keyed digest, so an address that nobody has looks like all others. The table is
    not logged: a server that crashed forgets its counts.
    """

    __tablename__ = "login_attempts"
    scope_kind = ScopeKind.OPERATORS

    subject: Mapped[str] = words("subject", 64)
    attempts: Mapped[int] = mapped_column(Integer)
    window_ends_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("subject"),
        Index("login_attempts_window_ends_at_idx", "window_ends_at"),
        {"prefixes": ["UNLOGGED"]},
    )


class AuditOperation(StrEnum):
    """What happened to a row."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class AuditLog(Base):
    """One change of one row, written by trigger in the transaction of the change.

    Partitioned by year; nobody can change or remove an entry.
    """

    __tablename__ = "audit_logs"
    scope_kind = ScopeKind.OPERATORS
    read_permission = Permission.AUDIT_READ

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    department_id: Mapped[UUID | None]
    table_name: Mapped[str] = words("table_name", 100)
    operation: Mapped[str] = one_of("operation", AuditOperation)
    record_id: Mapped[str] = words("record_id", 100)
    user_id: Mapped[UUID | None]
    api_token_id: Mapped[UUID | None]
    old_values: Mapped[dict[str, Any] | None]
    new_values: Mapped[dict[str, Any] | None]
    change_reason: Mapped[str | None] = words("change_reason", 100)
    ip_address: Mapped[str | None] = mapped_column(INET)
    request_id: Mapped[str | None] = words("request_id", 100)
    database_role: Mapped[str] = words("database_role", 63)
    """The role that was connected: the application's, or an operator's."""
    created_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=NOW)

    __table_args__ = (
        Index("audit_logs_created_at_id_idx", text("created_at desc"), text("id desc")),
        Index(
            "audit_logs_department_id_created_at_id_idx",
            "department_id",
            text("created_at desc"),
            text("id desc"),
        ),
        Index(
            "audit_logs_user_id_created_at_id_idx",
            "user_id",
            text("created_at desc"),
            text("id desc"),
        ),
        Index("audit_logs_table_name_record_id_idx", "table_name", "record_id"),
        Index("audit_logs_operation_created_at_idx", "operation", text("created_at desc")),
        {"postgresql_partition_by": "RANGE (created_at)"},
    )
