"""What mutations about ways into an account take."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graph.identity.inputs import REFERENCE

VERIFIER = "The verifier whose S256 challenge the page named when it began."


@strawberry.input(description="What revokeSession needs.")
class RevokeSessionInput:
    """A session."""

    session_id: strawberry.ID = strawberry.field(description="The session to end.")


@strawberry.input(description="What revokeSessions needs.")
class RevokeSessionsInput:
    """A user."""

    user_id: strawberry.ID = strawberry.field(
        description="The user whose sessions end; of one's own, all but the one that asks."
    )


@strawberry.input(description="What createApiToken needs.")
class CreateApiTokenInput:
    """What a machine is to be allowed."""

    name: str = strawberry.field(description="What to call it.")
    permissions: list[str] = strawberry.field(
        description="What it may do, each written as area:verb, all of them the caller's own."
    )
    departments: list[str] = strawberry.field(
        description=f"The departments that it reaches with all below them, each {REFERENCE}."
    )
    expires_at: datetime = strawberry.field(description="When it ends, within 366 days from now.")


@strawberry.input(description="What revokeApiToken needs.")
class RevokeApiTokenInput:
    """A token."""

    api_token_id: strawberry.ID = strawberry.field(description="The token to end.")


@strawberry.input(description="What requestPasswordReset needs.")
class RequestPasswordResetInput:
    """An address."""

    email: str = strawberry.field(description="The account's e-mail address, in any case.")


@strawberry.input(description="What resetPassword needs.")
class ResetPasswordInput:
    """A letter's code and a password."""

    code: str = strawberry.field(description="The code in the letter; it works once.")
    new_password: str = strawberry.field(description="The password from now on, of 8 to 72 bytes.")


@strawberry.input(description="What verifyEmail needs.")
class VerifyEmailInput:
    """A letter's code."""

    code: str = strawberry.field(description="The code in the letter; it works once.")


@strawberry.input(description="What completeSignIn needs.")
class CompleteSignInInput:
    """What the browser came back with."""

    code: str = strawberry.field(description="The sign_in_code; it works once, within a minute.")
    verifier: str = strawberry.field(description=VERIFIER)


@strawberry.input(description="What linkIdentity needs.")
class LinkIdentityInput:
    """A provider."""

    provider: str = strawberry.field(description="The name of one of signInProviders.")


@strawberry.input(description="What completeLink needs.")
class CompleteLinkInput:
    """What the browser came back with."""

    code: str = strawberry.field(description="The link_code; it works once, within a minute.")
    verifier: str = strawberry.field(description=VERIFIER)


@strawberry.input(description="What unlinkIdentity needs.")
class UnlinkIdentityInput:
    """A linked sign-in."""

    linked_identity_id: strawberry.ID = strawberry.field(
        description="The sign-in that opens the account no longer."
    )
