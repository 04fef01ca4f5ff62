"""Who may hold a socket or an event stream open, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.context import Context
from graph.transport.operation import Credentials, RequestInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from domain.errors import DomainError
    from domain.identity.standing import Standing
    from graph.context import Parts

KIND = "sockets"


class Admitted:
    """A caller's place, and its standing as long as it is held."""

    def __init__(self, parts: Parts, caller: str, expires_at: datetime | None) -> None:
        self._parts = parts
        self._caller = caller
        self.expires_at = expires_at
        self.standing: Standing | None = None

    def close(self) -> None:
        """Gives the place back."""
        if self.standing is not None:
            self._parts.standings.release(self.standing)
        self._parts.places.leave(KIND, self._caller)


async def admitted(
    parts: Parts,
    credentials: Credentials,
    address: str | None,
    ended: Callable[[DomainError], None],
) -> Admitted:
    """Takes a place for whoever the credentials are; ``ended`` is called when they hold no longer.

    Who signs in with none is known by its address. Raises `RateLimited` for one place too many,
    and what keeps the caller out.
    """
    context = Context(parts, credentials, RequestInfo("credentials", address, None, "websocket"))
    identity = context.identity
    caller = str(identity.user_id) if identity else f"address {address}"
    await parts.places.take(KIND, caller, parts.settings.sockets_per_user)
    made = Admitted(parts, caller, context.claims.expires_at if context.claims else None)

    def changed() -> None:
        if made.standing is not None and made.standing.refusal is not None:
            ended(made.standing.refusal)

    if identity is not None:
        try:
            made.standing = await parts.standings.hold(identity, changed)
        except BaseException:
            made.close()
            raise
    return made
