"""What fields and mutations about people and departments take."""

from __future__ import annotations

from enum import Enum

import strawberry

from domain.filters import Condition, Operator
from domain.paging import Order
from graph.enums import Direction
from graph.scalars import given_key

KEY = "Repeating a call with the same key makes nothing twice."
REFERENCE = "by its code, such as 'supply', or its id"


@strawberry.input(description="Which departments to give: those that meet all that is set.")
class DepartmentFilter:
    """Comparisons of a department's columns."""

    code: list[str] | None = strawberry.field(
        default=None, description="The department has one of these codes."
    )
    name_contains: str | None = strawberry.field(
        default=None, description="The department's name contains this, in any case."
    )
    parent_id: strawberry.ID | None = strawberry.field(
        default=None, description="The department lies directly below this one."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("code", Operator.IN, self.code),
            Condition("name", Operator.CONTAINS, self.name_contains),
            Condition("parent_id", Operator.IS, given_key("Department", self.parent_id)),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What departments can be ordered by.")
class DepartmentOrderField(Enum):
    """Columns that are never null."""

    NAME = strawberry.enum_value("name", description="The department's name.")
    CODE = strawberry.enum_value("code", description="The department's code.")
    CREATED_AT = strawberry.enum_value("created_at", description="When the department was made.")


@strawberry.input(description="The order of a list of departments.")
class DepartmentOrderBy:
    """A column and a direction."""

    field: DepartmentOrderField = strawberry.field(
        default=DepartmentOrderField.NAME, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.ASC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="Which users to give: those that meet all that is set.")
class UserFilter:
    """Comparisons of a user's columns."""

    email_contains: str | None = strawberry.field(
        default=None, description="The user's e-mail address contains this, in any case."
    )
    full_name_contains: str | None = strawberry.field(
        default=None, description="The user's name contains this, in any case."
    )
    is_active: bool | None = strawberry.field(
        default=None, description="The account is open, or it is not."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set."""
        given = [
            Condition("email", Operator.CONTAINS, self.email_contains),
            Condition("full_name", Operator.CONTAINS, self.full_name_contains),
            Condition("is_active", Operator.IS, self.is_active),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What users can be ordered by.")
class UserOrderField(Enum):
    """Columns that are never null."""

    FULL_NAME = strawberry.enum_value("full_name", description="The user's name.")
    EMAIL = strawberry.enum_value("email", description="The user's e-mail address.")
    CREATED_AT = strawberry.enum_value("created_at", description="When the account was made.")


@strawberry.input(description="The order of a list of users.")
class UserOrderBy:
    """A column and a direction."""

    field: UserOrderField = strawberry.field(
        default=UserOrderField.FULL_NAME, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.ASC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.input(description="What login needs.")
class LoginInput:
    """An address and its password."""

    email: str = strawberry.field(description="The account's e-mail address, in any case.")
    password: str = strawberry.field(description="The account's password.")


@strawberry.input(description="What refreshSession needs.")
class RefreshSessionInput:
    """The newest refresh token."""

    refresh_token: str = strawberry.field(
        description="The session's newest refresh token; an older one ends the session."
    )


@strawberry.input(description="What changePassword needs.")
class ChangePasswordInput:
    """The old and the new password."""

    old_password: str = strawberry.field(description="The password until now.")
    new_password: str = strawberry.field(description="The password from now on, of 8 to 72 bytes.")


@strawberry.input(description="What updateProfile needs.")
class UpdateProfileInput:
    """What people change about themselves."""

    full_name: str = strawberry.field(description="The caller's name from now on.")


@strawberry.input(description="What createUser needs.")
class CreateUserInput:
    """An account with its memberships and roles."""

    email: str = strawberry.field(description="The address that the user signs in with.")
    full_name: str = strawberry.field(description="The user's name.")
    password: str | None = strawberry.field(
        default=None,
        description="The first password, of 8 to 72 bytes; without one nobody can sign in yet.",
    )
    departments: list[str] = strawberry.field(
        description=f"The departments that the user belongs to, each {REFERENCE}."
    )
    roles: list[str] = strawberry.field(
        default_factory=list, description="The names of the user's roles, such as 'editor'."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=KEY)


@strawberry.input(description="What deactivateUser needs.")
class DeactivateUserInput:
    """A user."""

    user_id: strawberry.ID = strawberry.field(description="The user whose account is closed.")


@strawberry.input(description="What activateUser needs.")
class ActivateUserInput:
    """A user."""

    user_id: strawberry.ID = strawberry.field(description="The user whose account is opened.")


@strawberry.input(description="What assignRole needs.")
class AssignRoleInput:
    """A user and a role."""

    user_id: strawberry.ID = strawberry.field(description="The user who gets the role.")
    role: str = strawberry.field(description="The role's name, such as 'editor'.")


@strawberry.input(description="What revokeRole needs.")
class RevokeRoleInput:
    """A user and a role."""

    user_id: strawberry.ID = strawberry.field(description="The user who loses the role.")
    role: str = strawberry.field(description="The role's name, such as 'editor'.")


@strawberry.input(description="What assignDepartment needs.")
class AssignDepartmentInput:
    """A user and a department."""

    user_id: strawberry.ID = strawberry.field(description="The user who becomes a member.")
    department: str = strawberry.field(description=f"The department, {REFERENCE}.")


@strawberry.input(description="What removeDepartment needs.")
class RemoveDepartmentInput:
    """A user and a department."""

    user_id: strawberry.ID = strawberry.field(description="The user who ceases to be a member.")
    department: str = strawberry.field(description=f"The department, {REFERENCE}.")


@strawberry.input(description="What createDepartment needs.")
class CreateDepartmentInput:
    """A department below another one."""

    code: str = strawberry.field(
        description="The unique code: lower-case letters, digits, hyphens and underscores."
    )
    name: str = strawberry.field(description="The department's name.")
    parent: str = strawberry.field(description=f"The department above it, {REFERENCE}.")
    description: str | None = strawberry.field(
        default=None, description="What the department does."
    )
    manager_id: strawberry.ID | None = strawberry.field(
        default=None, description="The user who manages it."
    )
    max_running_jobs: int | None = strawberry.field(
        default=None, description="How many of its jobs may run at once; 4 if it is not said."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=KEY)


@strawberry.input(description="What updateDepartment needs; what is left out stays as it is.")
class UpdateDepartmentInput:
    """What to change about a department."""

    department: str = strawberry.field(description=f"The department, {REFERENCE}.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="The department's name."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What the department does; null removes the text."
    )
    manager_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The user who manages it; null leaves it without."
    )
    max_running_jobs: int | None = strawberry.field(
        default=strawberry.UNSET, description="How many of its jobs may run at once."
    )


@strawberry.input(description="What moveDepartment needs.")
class MoveDepartmentInput:
    """A department and its new place."""

    department: str = strawberry.field(description=f"The department to move, {REFERENCE}.")
    parent: str = strawberry.field(description=f"The department above it from now on, {REFERENCE}.")
