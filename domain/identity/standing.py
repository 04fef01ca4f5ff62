"""What callers whose streams stay open may see and do, taken anew for all of them together."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from domain.database import RAISED, Hold
from domain.errors import DomainError, Unauthenticated, Unavailable
from domain.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from domain.bell import Bell
    from domain.database import Database, Row
    from domain.scope import Identity

log = logging.getLogger(__name__)

CHECK_SECONDS = 3.0
"""How often standings are taken anew, with what it takes well within the 5 s that are promised."""

TOGETHER = 500
"""How many callers one statement asks about, at some 0.1 ms each."""

STANDINGS = "select * from standings($1, $2, $3, $4, $5) order by place"
OPENING = "begin isolation level repeatable read read only"


class Standing:
    """What one caller may see and do, as it was taken last; ``changed`` is called when it is new.

    ``refusal`` says why it may nothing any more.
    """

    def __init__(self, identity: Identity, scope: Scope, changed: Callable[[], None]) -> None:
        self.identity = identity
        self.scope = scope
        self.refusal: DomainError | None = None
        self.changed = changed

    def take(self, found: Scope | DomainError) -> None:
        """Notes what was found, and tells when that is something else."""
        if isinstance(found, DomainError):
            self.refusal = found
        elif found == self.scope:
            return
        else:
            self.scope = found
        self.changed()


class Standings:
    """The standings that one process holds: one statement asks about all of them.

    They are taken anew every `CHECK_SECONDS`, and at once when the bell says that memberships,
    roles, departments or sessions changed. While the database does not answer, they stay as they
    are: nothing can be read then either.
    """

    def __init__(self, database: Database, bell: Bell) -> None:
        self._database = database
        self._bell = bell
        self._held: dict[Identity, set[Standing]] = {}
        self._asked: dict[Identity, asyncio.Future[Scope]] = {}
        self._asker: asyncio.Task[None] | None = None
        self._checker: asyncio.Task[None] | None = None

    async def hold(self, identity: Identity, changed: Callable[[], None]) -> Standing:
        """Takes a caller's standing now, and again and again until it is released.

        Raises `Unauthenticated` where account or session don't hold, `NotFound` where there is
        nothing to narrow to, and `Unavailable`.
        """
        future = self._asked.get(identity)
        if future is None:
            future = self._asked[identity] = asyncio.get_running_loop().create_future()
            if self._asker is None:
                self._asker = asyncio.create_task(self._answer())
        standing = Standing(identity, await asyncio.shield(future), changed)
        self._held.setdefault(identity, set()).add(standing)
        if self._checker is None:
            self._checker = asyncio.create_task(self._check())
        return standing

    def release(self, standing: Standing) -> None:
        """Ends the holding; it may be called again."""
        held = self._held.get(standing.identity)
        if held is None:
            return
        held.discard(standing)
        if not held:
            del self._held[standing.identity]
        if not self._held and self._checker is not None:
            self._checker.cancel()
            self._checker = None

    async def _answer(self) -> None:
        """Answers whoever asked; those who ask meanwhile are answered together, next."""
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                try:
                    found = await self._found(list(asked))
                except Exception as error:  # noqa: BLE001 (handed on to whoever asked)
                    found = dict.fromkeys(asked, error)
                for identity, future in asked.items():
                    answer = found[identity]
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                        # Whoever asked may have gone: then nobody looks at it.
                        future.exception()
                    else:
                        future.set_result(answer)
        finally:
            self._asker = None

    async def _check(self) -> None:
        while True:
            await self._bell.changed(CHECK_SECONDS)
            try:
                found = await self._found(list(self._held))
            except Unavailable as error:
                log.warning("standings can't be taken anew: %s", error.message)
                continue
            except Exception:
                log.exception("standings can't be taken anew")
                continue
            for identity, answer in found.items():
                if not isinstance(answer, (Scope, DomainError)):
                    continue
                for standing in tuple(self._held.get(identity, ())):
                    standing.take(answer)

    async def _found(self, identities: Sequence[Identity]) -> dict[Identity, Scope | Exception]:
        found: dict[Identity, Scope | Exception] = {}
        for start in range(0, len(identities), TOGETHER):
            asked = identities[start : start + TOGETHER]
            async with self._database.transaction(OPENING, Hold()) as (connection, _):
                rows = await connection.fetch(
                    STANDINGS,
                    [each.user_id for each in asked],
                    [each.session_id for each in asked],
                    [each.narrow for each in asked],
                    [each.token and each.token.id for each in asked],
                    [each.token and each.token.digest for each in asked],
                )
            found.update(zip(asked, map(_as_found, rows), strict=True))
        return found


def _as_found(row: Row | Any) -> Scope | Exception:
    if row.code is not None:
        return RAISED.get(row.code, Unauthenticated)(row.message)
    return Scope(frozenset(row.departments), frozenset(row.permissions))
