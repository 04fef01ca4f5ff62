"""Opening and closing the ways into an account: sessions, tokens, letters, identity providers."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry

from domain.errors import NotFound
from domain.identity import models
from domain.identity.actions import api_tokens, identities, letters, sessions
from graph.context import Info
from graph.identity import access_inputs as inputs
from graph.identity import access_payloads as payloads
from graph.identity.references import reference
from graph.identity.sign_in import start_url, ticket
from graph.identity.viewer import Viewer
from graph.nodes import changed
from graph.scalars import key_of

Given = strawberry.argument(description="What the mutation needs.")


@strawberry.type
class AccessMutations:
    """Root fields about sessions and API tokens."""

    @strawberry.mutation(
        description="Ends an open session of the caller's, or of a user in whose departments the "
        "caller may write users. Its access tokens are refused from the next request on."
    )
    async def revoke_session(
        self, info: Info, input: Annotated[inputs.RevokeSessionInput, Given]
    ) -> payloads.RevokeSessionPayload:
        """Needs user:write in all departments of the user, unless it is the caller."""
        session_id = key_of("Session", input.session_id)
        async with info.context.work() as work:
            user_id = await sessions.revoke_session(work, session_id)
        if session_id == info.context.signed_in.session_id:
            return payloads.RevokeSessionPayload(user=None)
        return payloads.RevokeSessionPayload(user=await changed(info, models.User, user_id))

    @strawberry.mutation(
        description="Ends all open sessions of a user; of the caller's own all but the one that "
        "asks."
    )
    async def revoke_sessions(
        self, info: Info, input: Annotated[inputs.RevokeSessionsInput, Given]
    ) -> payloads.RevokeSessionsPayload:
        """Needs user:write in all departments of the user, unless it is the caller."""
        user_id = key_of("User", input.user_id)
        async with info.context.work() as work:
            revoked = await sessions.revoke_sessions(work, user_id)
        user = await changed(info, models.User, user_id)
        return payloads.RevokeSessionsPayload(user=user, revoked=revoked)

    @strawberry.mutation(
        description="Makes a token with which a machine does some of what the caller may do. What "
        "the caller loses, the token loses too."
    )
    async def create_api_token(
        self, info: Info, input: Annotated[inputs.CreateApiTokenInput, Given]
    ) -> payloads.CreateApiTokenPayload:
        """Needs a session, and the permissions that the token is to have."""
        new = api_tokens.NewToken(
            name=input.name,
            permissions=tuple(input.permissions),
            departments=tuple(reference(text) for text in input.departments),
            expires_at=input.expires_at,
        )
        async with info.context.work() as work:
            token_id, text = await api_tokens.create_api_token(work, new)
        made: Any = await changed(info, models.ApiToken, token_id)
        return payloads.CreateApiTokenPayload(token=text, api_token=made)

    @strawberry.mutation(
        description="Ends an API token of the caller's: it is refused from the next request on. "
        "Repeating it changes nothing."
    )
    async def revoke_api_token(
        self, info: Info, input: Annotated[inputs.RevokeApiTokenInput, Given]
    ) -> payloads.RevokeApiTokenPayload:
        """Needs a session."""
        token_id = key_of("ApiToken", input.api_token_id)
        async with info.context.work() as work:
            await api_tokens.revoke_api_token(work, token_id)
        return payloads.RevokeApiTokenPayload(viewer=Viewer())


@strawberry.type
class LetterMutations:
    """Root fields whose proof is a letter."""

    @strawberry.mutation(
        description="Sends a code for a new password to an address, if it is an account's. The "
        "answer is the same if it is not."
    )
    async def request_password_reset(
        self, info: Info, input: Annotated[inputs.RequestPasswordResetInput, Given]
    ) -> payloads.RequestPasswordResetPayload:
        """Needs nobody to be signed in."""
        context, parts = info.context, info.context.parts
        await context.end_event()
        await letters.request_password_reset(
            parts.database, parts.bell, parts.tokens, parts.post, input.email, context.origin
        )
        return payloads.RequestPasswordResetPayload(accepted=True)

    @strawberry.mutation(
        description="Sets a new password with a letter's code, and ends all sessions of the "
        "account."
    )
    async def reset_password(
        self, info: Info, input: Annotated[inputs.ResetPasswordInput, Given]
    ) -> payloads.ResetPasswordPayload:
        """Needs nobody to be signed in."""
        context, parts = info.context, info.context.parts
        await context.end_event()
        await letters.reset_password(
            parts.database, parts.bell, input.code, input.new_password, context.origin
        )
        return payloads.ResetPasswordPayload(done=True)

    @strawberry.mutation(description="Sends a code that confirms the caller's own e-mail address.")
    async def request_email_verification(
        self, info: Info
    ) -> payloads.RequestEmailVerificationPayload:
        """Needs a session."""
        parts = info.context.parts
        async with info.context.work() as work:
            letter = await letters.request_email_verification(work, parts.tokens, parts.post)
        parts.post.send(letter)
        return payloads.RequestEmailVerificationPayload(accepted=True)

    @strawberry.mutation(description="Confirms an e-mail address with the code that it was sent.")
    async def verify_email(
        self, info: Info, input: Annotated[inputs.VerifyEmailInput, Given]
    ) -> payloads.VerifyEmailPayload:
        """Needs nobody to be signed in."""
        context, parts = info.context, info.context.parts
        await context.end_event()
        await letters.verify_email(parts.database, parts.bell, input.code, context.origin)
        return payloads.VerifyEmailPayload(done=True)


@strawberry.type
class ProviderMutations:
    """Root fields about identity providers."""

    @strawberry.mutation(
        description="Starts a session for whoever has just signed in at an identity provider and "
        "came back with a code."
    )
    async def complete_sign_in(
        self, info: Info, input: Annotated[inputs.CompleteSignInInput, Given]
    ) -> payloads.CompleteSignInPayload:
        """Needs nobody to be signed in."""
        context, parts = info.context, info.context.parts
        await context.end_event()
        signed_in = await identities.complete_sign_in(
            parts.database,
            parts.bell,
            parts.tokens,
            parts.settings.oidc_providers,
            input.code,
            input.verifier,
            context.origin,
        )
        await context.sign_in(signed_in.user_id, signed_in.session_id)
        return payloads.CompleteSignInPayload(
            access_token=signed_in.access_token,
            refresh_token=signed_in.refresh_token,
            expires_at=signed_in.expires_at,
            viewer=Viewer(),
        )

    @strawberry.mutation(
        description="Begins to link a sign-in at an identity provider to the caller's account."
    )
    async def link_identity(
        self, info: Info, input: Annotated[inputs.LinkIdentityInput, Given]
    ) -> payloads.LinkIdentityPayload:
        """Needs a session."""
        parts = info.context.parts
        for provider in parts.settings.oidc_providers:
            if provider.name == input.provider:
                async with info.context.work() as work:
                    # Whoever begins must hold a session now, not only a token that looks right.
                    work.own()
                own = ticket(parts, info.context.in_person.user_id, provider.name)
                return payloads.LinkIdentityPayload(
                    url=f"{start_url(parts, provider)}?ticket={own}"
                )
        message = "There is no such identity provider."
        raise NotFound(message)

    @strawberry.mutation(
        description="Links the sign-in with which the browser came back to the caller's account."
    )
    async def complete_link(
        self, info: Info, input: Annotated[inputs.CompleteLinkInput, Given]
    ) -> payloads.CompleteLinkPayload:
        """Needs a session of the account that began."""
        async with info.context.work() as work:
            await identities.complete_link(work, input.code, input.verifier)
        return payloads.CompleteLinkPayload(viewer=Viewer())

    @strawberry.mutation(
        description="Takes a linked sign-in from the caller's account, unless it is the only way "
        "in."
    )
    async def unlink_identity(
        self, info: Info, input: Annotated[inputs.UnlinkIdentityInput, Given]
    ) -> payloads.UnlinkIdentityPayload:
        """Needs a session."""
        identity_id = key_of("LinkedIdentity", input.linked_identity_id)
        async with info.context.work() as work:
            await identities.unlink_identity(work, identity_id)
        return payloads.UnlinkIdentityPayload(viewer=Viewer())
