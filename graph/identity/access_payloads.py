"""What mutations about ways into an account answer."""

from __future__ import annotations

from datetime import datetime

import strawberry

from graph.identity.access_types import ApiToken
from graph.identity.payloads import ACCESS, EXPIRES, REFRESH
from graph.identity.types import User
from graph.identity.viewer import Viewer


@strawberry.type(description="What revokeSession answers.")
class RevokeSessionPayload:
    """Whose session it was."""

    user: User | None = strawberry.field(
        description="The user whose session has ended; null where it was the one that asked, "
        "which can be shown nothing any more."
    )


@strawberry.type(description="What revokeSessions answers.")
class RevokeSessionsPayload:
    """Whose sessions they were."""

    user: User = strawberry.field(description="The user whose sessions have ended.")
    revoked: int = strawberry.field(description="How many there were.")


@strawberry.type(description="What createApiToken answers.")
class CreateApiTokenPayload:
    """The new token."""

    token: str = strawberry.field(
        description="The token for the Authorization header, as 'Bearer' and the token. It is "
        "shown this once; only a digest of it is kept."
    )
    api_token: ApiToken = strawberry.field(description="What is known of it from now on.")


@strawberry.type(description="What revokeApiToken answers.")
class RevokeApiTokenPayload:
    """Who asked."""

    viewer: Viewer = strawberry.field(description="The caller, with the tokens that are left.")


@strawberry.type(description="What requestPasswordReset answers, whoever the address belongs to.")
class RequestPasswordResetPayload:
    """That it was taken."""

    accepted: bool = strawberry.field(
        description="Always true: if the address is an account's, a letter is on its way."
    )


@strawberry.type(description="What resetPassword answers.")
class ResetPasswordPayload:
    """That it is done."""

    done: bool = strawberry.field(
        description="Always true: the new password holds, and all sessions have ended."
    )


@strawberry.type(description="What requestEmailVerification answers.")
class RequestEmailVerificationPayload:
    """That it was taken."""

    accepted: bool = strawberry.field(description="Always true: a letter is on its way.")


@strawberry.type(description="What verifyEmail answers.")
class VerifyEmailPayload:
    """That it is done."""

    done: bool = strawberry.field(description="Always true: the address is confirmed.")


@strawberry.type(description="What completeSignIn answers, as login does.")
class CompleteSignInPayload:
    """The tokens of a new session."""

    access_token: str = strawberry.field(description=ACCESS)
    refresh_token: str = strawberry.field(description=REFRESH)
    expires_at: datetime = strawberry.field(description=EXPIRES)
    viewer: Viewer = strawberry.field(description="Who has signed in.")


@strawberry.type(description="What linkIdentity answers.")
class LinkIdentityPayload:
    """Where to go."""

    url: str = strawberry.field(
        description="Where the browser goes to sign in at the provider, within ten minutes, with "
        "challenge and return_to added as for a sign-in. It comes back with link_code, for "
        "completeLink, after the #."
    )


@strawberry.type(description="What completeLink answers.")
class CompleteLinkPayload:
    """Who asked."""

    viewer: Viewer = strawberry.field(description="The caller, with its linked sign-ins.")


@strawberry.type(description="What unlinkIdentity answers.")
class UnlinkIdentityPayload:
    """Who asked."""

    viewer: Viewer = strawberry.field(description="The caller, with its linked sign-ins.")
