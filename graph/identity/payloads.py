"""What mutations about people and departments answer."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graph.identity.types import Department, User
from graph.identity.viewer import Viewer

ACCESS = "The token for the Authorization header, as 'Bearer' and the token."
REFRESH = "The token for the next refreshSession; it is good for one use."
EXPIRES = "When the access token expires."


@strawberry.type(description="What login answers.")
class LoginPayload:
    """The tokens of a new session."""

    access_token: str = strawberry.field(description=ACCESS)
    refresh_token: str = strawberry.field(description=REFRESH)
    expires_at: datetime = strawberry.field(description=EXPIRES)
    viewer: Viewer = strawberry.field(description="Who has signed in.")


@strawberry.type(description="What refreshSession answers.")
class RefreshSessionPayload:
    """The next tokens of a session."""

    access_token: str = strawberry.field(description=ACCESS)
    refresh_token: str = strawberry.field(description=REFRESH)
    expires_at: datetime = strawberry.field(description=EXPIRES)
    viewer: Viewer = strawberry.field(description="Whose session it is.")


@strawberry.type(description="What logout answers.")
class LogoutPayload:
    """That it is done."""

    ended: bool = strawberry.field(
        description="Always true: the session has ended, and its tokens hold no longer."
    )


@strawberry.type(description="What changePassword answers.")
class ChangePasswordPayload:
    """Who has a new password."""

    viewer: Viewer = strawberry.field(description="The caller, whose other sessions have ended.")


@strawberry.type(description="What updateProfile answers.")
class UpdateProfilePayload:
    """The caller as it is now."""

    viewer: Viewer = strawberry.field(description="The caller as it is now.")


@strawberry.type(description="What createUser answers.")
class CreateUserPayload:
    """The new user."""

    user: User = strawberry.field(description="The user that was made.")


@strawberry.type(description="What deactivateUser answers.")
class DeactivateUserPayload:
    """The user as it is now."""

    user: User = strawberry.field(description="The user, whose account is closed.")


@strawberry.type(description="What activateUser answers.")
class ActivateUserPayload:
    """The user as it is now."""

    user: User = strawberry.field(description="The user, whose account is open.")


@strawberry.type(description="What assignRole answers.")
class AssignRolePayload:
    """The user as it is now."""

    user: User = strawberry.field(description="The user with its roles.")


@strawberry.type(description="What revokeRole answers.")
class RevokeRolePayload:
    """The user as it is now."""

    user: User = strawberry.field(description="The user with its roles.")


@strawberry.type(description="What assignDepartment answers.")
class AssignDepartmentPayload:
    """The user as it is now."""

    user: User = strawberry.field(description="The user with its departments.")


@strawberry.type(description="What removeDepartment answers.")
class RemoveDepartmentPayload:
    """The user, if it is still seen."""

    user: User | None = strawberry.field(
        description="The user with its departments, or null where the caller shares none any more."
    )


@strawberry.type(description="What createDepartment answers.")
class CreateDepartmentPayload:
    """The new department."""

    department: Department = strawberry.field(description="The department that was made.")


@strawberry.type(description="What updateDepartment answers.")
class UpdateDepartmentPayload:
    """The department as it is now."""

    department: Department = strawberry.field(description="The department as it is now.")


@strawberry.type(description="What moveDepartment answers.")
class MoveDepartmentPayload:
    """The department as it is now."""

    department: Department = strawberry.field(description="The department at its new place.")
