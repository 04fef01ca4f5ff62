"""Signing in and out, and changing people and departments."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from domain.errors import InvalidInput
from domain.identity import models
from domain.identity.actions import departments, memberships, sessions, users
from graph.context import Info
from graph.identity import inputs, payloads
from graph.identity.access_mutations import AccessMutations, LetterMutations, ProviderMutations
from graph.identity.references import reference
from graph.identity.viewer import Viewer
from graph.nodes import changed
from graph.scalars import key_of

Given = strawberry.argument(description="What the mutation needs.")


@strawberry.type
class SessionMutations:
    """Root fields of sessions and of the caller's own account."""

    @strawberry.mutation(
        description="Starts a session for whoever knows an account's password. The answer is the "
        "same whatever is wrong, and repeated failures lock the account for a while."
    )
    async def login(
        self, info: Info, input: Annotated[inputs.LoginInput, Given]
    ) -> payloads.LoginPayload:
        """Needs nobody to be signed in."""
        context, parts = info.context, info.context.parts
        await context.end_event()
        signed_in = await sessions.login(
            parts.database, parts.bell, parts.tokens, input.email, input.password, context.origin
        )
        await context.sign_in(signed_in.user_id, signed_in.session_id)
        return payloads.LoginPayload(**_tokens(signed_in))

    @strawberry.mutation(
        description="Exchanges a session's newest refresh token for the next tokens. A token that "
        "was exchanged before ends the session, because somebody may have stolen it."
    )
    async def refresh_session(
        self, info: Info, input: Annotated[inputs.RefreshSessionInput, Given]
    ) -> payloads.RefreshSessionPayload:
        """Needs nobody to be signed in."""
        context, parts = info.context, info.context.parts
        await context.end_event()
        signed_in = await sessions.refresh_session(
            parts.database, parts.bell, parts.tokens, input.refresh_token, context.origin
        )
        await context.sign_in(signed_in.user_id, signed_in.session_id)
        return payloads.RefreshSessionPayload(**_tokens(signed_in))

    @strawberry.mutation(description="Ends the session of the access token that comes along.")
    async def logout(self, info: Info) -> payloads.LogoutPayload:
        """Needs an access token that has not expired, of a session that may have ended."""
        context, parts = info.context, info.context.parts
        caller = context.in_person
        await context.end_event()
        await sessions.logout(parts.database, parts.bell, caller, context.origin)
        return payloads.LogoutPayload(ended=True)

    @strawberry.mutation(
        description="Changes the caller's own password, and ends its other sessions."
    )
    async def change_password(
        self, info: Info, input: Annotated[inputs.ChangePasswordInput, Given]
    ) -> payloads.ChangePasswordPayload:
        """Needs the old password."""
        context = info.context
        await users.change_password(
            context.work,
            context.parts.tokens,
            input.old_password,
            input.new_password,
            context.request.address,
        )
        return payloads.ChangePasswordPayload(viewer=Viewer())

    @strawberry.mutation(description="Changes what the caller says about itself.")
    async def update_profile(
        self, info: Info, input: Annotated[inputs.UpdateProfileInput, Given]
    ) -> payloads.UpdateProfilePayload:
        """Needs no permission."""
        async with info.context.work() as work:
            await users.update_profile(work, input.full_name)
        return payloads.UpdateProfilePayload(viewer=Viewer())


@strawberry.type
class UserMutations:
    """Root fields that change other people's accounts."""

    @strawberry.mutation(description="Makes an account with its memberships and roles.")
    async def create_user(
        self, info: Info, input: Annotated[inputs.CreateUserInput, Given]
    ) -> payloads.CreateUserPayload:
        """Needs user:write in the departments, and role:assign where roles are given."""
        new = users.NewUser(
            email=input.email,
            full_name=input.full_name,
            departments=tuple(reference(text) for text in input.departments),
            roles=tuple(input.roles),
            password=input.password,
        )
        user_id = await users.create_user(
            info.context.work,
            info.context.parts.tokens,
            new,
            idempotency_key=input.idempotency_key,
        )
        return payloads.CreateUserPayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(
        description="Closes an account: its sessions end at once, and it can't sign in."
    )
    async def deactivate_user(
        self, info: Info, input: Annotated[inputs.DeactivateUserInput, Given]
    ) -> payloads.DeactivateUserPayload:
        """Needs user:write in all departments of the user."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            await users.deactivate_user(work, user_id)
        return payloads.DeactivateUserPayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(description="Opens an account that was closed.")
    async def activate_user(
        self, info: Info, input: Annotated[inputs.ActivateUserInput, Given]
    ) -> payloads.ActivateUserPayload:
        """Needs user:write in all departments of the user."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            await users.activate_user(work, user_id)
        return payloads.ActivateUserPayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(
        description="Gives a user a role, which holds in all its departments. Repeating it changes "
        "nothing."
    )
    async def assign_role(
        self, info: Info, input: Annotated[inputs.AssignRoleInput, Given]
    ) -> payloads.AssignRolePayload:
        """Needs role:assign in all departments of the user, and all that the role allows."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            await memberships.assign_role(work, user_id, input.role)
        return payloads.AssignRolePayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(description="Takes a role from a user. Repeating it changes nothing.")
    async def revoke_role(
        self, info: Info, input: Annotated[inputs.RevokeRoleInput, Given]
    ) -> payloads.RevokeRolePayload:
        """Needs role:assign in all departments of the user, and all that the role allows."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            await memberships.revoke_role(work, user_id, input.role)
        return payloads.RevokeRolePayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(
        description="Makes a user a member of a department. Repeating it changes nothing."
    )
    async def assign_department(
        self, info: Info, input: Annotated[inputs.AssignDepartmentInput, Given]
    ) -> payloads.AssignDepartmentPayload:
        """Needs user:write in the department, and all that the user's roles allow."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            await memberships.assign_department(work, user_id, reference(input.department))
        return payloads.AssignDepartmentPayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(
        description="Ends a user's membership of a department, unless it is the only one. "
        "Repeating it changes nothing."
    )
    async def remove_department(
        self, info: Info, input: Annotated[inputs.RemoveDepartmentInput, Given]
    ) -> payloads.RemoveDepartmentPayload:
        """Needs user:write in the department."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            await memberships.remove_department(work, user_id, reference(input.department))
        user: Any = await info.context.loaders.one(models.User, user_id)
        return payloads.RemoveDepartmentPayload(user=user)


@strawberry.type
class DepartmentMutations:
    """Root fields that change departments."""

    @strawberry.mutation(description="Makes a department below another one.")
    async def create_department(
        self, info: Info, input: Annotated[inputs.CreateDepartmentInput, Given]
    ) -> payloads.CreateDepartmentPayload:
        """Needs department:write in the department above it."""
        new = departments.NewDepartment(
            code=input.code,
            name=input.name,
            parent=reference(input.parent),
            description=input.description,
            manager_id=None if input.manager_id is None else key_of("User", input.manager_id),
            max_running_jobs=input.max_running_jobs,
        )
        async with info.context.work() as work:
            department_id = await departments.create_department(
                work, new, idempotency_key=input.idempotency_key
            )
        return payloads.CreateDepartmentPayload(
            department=await changed(info, models.Department, department_id)
        )

    @strawberry.mutation(description="Changes a department.")
    async def update_department(
        self, info: Info, input: Annotated[inputs.UpdateDepartmentInput, Given]
    ) -> payloads.UpdateDepartmentPayload:
        """Needs department:write in the department."""
        changes = _changes(input)
        async with info.context.work() as work:
            department_id = await departments.update_department(
                work, reference(input.department), changes
            )
        return payloads.UpdateDepartmentPayload(
            department=await changed(info, models.Department, department_id)
        )

    @strawberry.mutation(description="Puts a department, with all below it, below another one.")
    async def move_department(
        self, info: Info, input: Annotated[inputs.MoveDepartmentInput, Given]
    ) -> payloads.MoveDepartmentPayload:
        """Needs department:write in the department, and in those above it before and after."""
        async with info.context.work() as work:
            department_id = await departments.move_department(
                work, reference(input.department), reference(input.parent)
            )
        return payloads.MoveDepartmentPayload(
            department=await changed(info, models.Department, department_id)
        )


@strawberry.type
class IdentityMutations(
    SessionMutations,
    AccessMutations,
    LetterMutations,
    ProviderMutations,
    UserMutations,
    DepartmentMutations,
):
    """Root fields that change people and departments."""


def _tokens(signed_in: sessions.SignedIn) -> dict[str, Any]:
    return {
        "access_token": signed_in.access_token,
        "refresh_token": signed_in.refresh_token,
        "expires_at": signed_in.expires_at,
        "viewer": Viewer(),
    }


def _changes(input: inputs.UpdateDepartmentInput) -> departments.DepartmentChanges:
    changes = departments.DepartmentChanges()
    if input.name is not strawberry.UNSET:
        changes["name"] = _given(input.name, "name")
    if input.description is not strawberry.UNSET:
        changes["description"] = input.description
    if input.manager_id is not strawberry.UNSET:
        manager_id = input.manager_id
        changes["manager_id"] = None if manager_id is None else key_of("User", manager_id)
    if input.max_running_jobs is not strawberry.UNSET:
        changes["max_running_jobs"] = _given(input.max_running_jobs, "maxRunningJobs")
    return changes


def _given(value: Any, path: str) -> Any:
    if value is None:
        raise InvalidInput.at(path, "This can't be null. Leave it out to keep it as it is.")
    return value
