"""What resolvers see of the operation that they run in. It is made fresh for every operation."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import strawberry

from domain.database import Hold
from domain.errors import DomainError, Forbidden, LimitExceeded, Unauthenticated, Unavailable
from domain.identity.actions.api_tokens import note_use
from domain.identity.standing import Standings
from domain.identity.tokens import API_TOKEN, read_api_token
from domain.jobs.tail import Tail
from domain.places import Places, ProcessPlaces
from domain.post import Post
from domain.reads import Reads
from domain.scope import Identity, Origin, Scope, narrowed
from domain.work import IN_PERSON, working
from graph.loaders import Loaders
from graph.selected import selected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from uuid import UUID

    from domain.bell import Bell
    from domain.database import Database
    from domain.identity.oidc import Provider
    from domain.identity.tokens import AccessClaims, Tokens
    from domain.models import Base
    from domain.settings import Settings
    from domain.storage import Storage
    from domain.work import Work
    from graph.transport.documents import Document
    from graph.transport.operation import Credentials, RequestInfo


USE_SECONDS = 60.0
"""How often the use of one API token is noted by one process."""


class TokenUses:
    """When this process last noted the use of each API token."""

    def __init__(self) -> None:
        self._noted: dict[UUID, float] = {}

    def is_due(self, token_id: UUID) -> bool:
        """Whether a use is to be noted now; saying so counts as having noted it."""
        now = time.monotonic()
        if now - self._noted.get(token_id, -USE_SECONDS) < USE_SECONDS:
            return False
        # What is older than that says nothing any more.
        self._noted = {key: at for key, at in self._noted.items() if now - at < USE_SECONDS}
        self._noted[token_id] = now
        return True


@dataclass
class Parts:
    """What one process shares among all its operations."""

    settings: Settings
    database: Database
    storage: Storage
    bell: Bell
    tokens: Tokens
    places: Places = field(default_factory=ProcessPlaces)
    """What callers hold open."""
    post: Post = field(default_factory=lambda: Post(None))
    providers: tuple[Provider, ...] = ()
    token_uses: TokenUses = field(default_factory=TokenUses)
    standings: Standings = field(init=False)
    """What the callers of open streams may see and do."""
    tail: Tail = field(init=False)
    """The end of the event log."""

    def __post_init__(self) -> None:
        """Makes what follows the database."""
        self.standings = Standings(self.database, self.bell)
        self.tail = Tail(self.database, self.bell)


class Context:
    """One operation: who asks, its snapshot, its loaders, and the works that it opens.

    ``shared`` is the scope of all who follow the same events: nobody in particular asks then.
    """

    def __init__(
        self,
        parts: Parts,
        credentials: Credentials,
        request: RequestInfo,
        shared: Scope | None = None,
    ) -> None:
        self.parts = parts
        self.request = request
        self.request_id = request.request_id
        self.failure: BaseException | None = None
        self.claims: AccessClaims | None = None
        self._shared = shared
        self._identity: Identity | None = None
        self._refusal: DomainError | None = None
        self._hold = Hold()
        self._rows = 0
        self._columns: Mapping[type[Base], frozenset[str]] = {}
        try:
            self._identify(credentials)
        except DomainError as error:
            # Signing in must work with a stale token in hand, so it is refused where it is used.
            self._refusal = error
        self._renew()

    @property
    def identity(self) -> Identity | None:
        """Who asks, or None when nobody is signed in.

        Raises `Unauthenticated` for a token that does not hold, `InvalidInput` for a department
        that is named in no known form.
        """
        if self._refusal is not None:
            raise self._refusal
        return self._identity

    @property
    def signed_in(self) -> Identity:
        """Who asks. Raises `Unauthenticated` when nobody is signed in."""
        identity = self.identity
        if identity is None:
            message = "Sign in first: this needs an access token."
            raise Unauthenticated(message)
        return identity

    @property
    def in_person(self) -> Identity:
        """Who asks, by its own session. Raises `Unauthenticated`, and `Forbidden` to machines."""
        identity = self.signed_in
        if identity.token is not None:
            raise Forbidden(IN_PERSON)
        return identity

    @property
    def origin(self) -> Origin:
        """Where the operation comes from, for the audit log."""
        return Origin(self.request.user_agent, self.request.address, self.request_id)

    @property
    def reads(self) -> Reads:
        """The snapshot. Raises as `identity` does."""
        if self._refusal is not None:
            raise self._refusal
        return self._reads

    @property
    def loaders(self) -> Loaders:
        """The loaders of the snapshot. Raises as `identity` does, and once it has failed."""
        if self._refusal is not None:
            raise self._refusal
        if self.failure is not None:
            raise self.failure
        return self._loaders

    def begin(self, document: Document) -> None:
        """Reads from now on what this document selects."""
        self._columns = document.derived(selected)
        self._loaders = Loaders(self._reads, self._columns)

    def spend(self, rows: int) -> None:
        """Counts rows that a list gives; lists within lists multiply, however few rows there are.

        Raises `LimitExceeded` past the limit, and fails the operation as a whole with it, so that
        the lists beside this one end too.
        """
        self._rows += rows
        limit = self.parts.settings.operation_rows
        if self._rows > limit:
            message = f"One operation gives at most {limit} rows in all its lists. Ask for fewer."
            self.failure = LimitExceeded(message)
            raise self.failure

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """Opens the Work of a mutation field; what is read afterwards sees what it committed."""
        await self.end_event()
        identity = self.signed_in
        async with working(
            self.parts.database, identity, self.parts.bell, self._hold, self.origin
        ) as work:
            yield work

    async def sign_in(self, user_id: Any, session_id: Any) -> None:
        """Goes on as an account that has just proved itself, so that its payload can be read."""
        await self.end_event()
        self._refusal = None
        self._identity = Identity(user_id, session_id)
        self._renew()

    def next_event(self) -> None:
        """Ends one of several events of one snapshot, and notes a statement that failed in it."""
        self.failure = self.failure or self._reads.failure
        self._rows = 0

    async def end_event(self) -> None:
        """Ends the snapshot and gives its connection back; the next read opens a fresh one."""
        await self._reads.close()
        self.failure = self.failure or self._reads.failure
        self._rows = 0
        self._renew()

    async def close(self) -> None:
        """Ends the operation."""
        await self._reads.close()
        self.failure = self.failure or self._reads.failure
        token = self._identity.token if self._identity else None
        if token is not None and self.parts.token_uses.is_due(token.id):
            with suppress(Unavailable):
                await note_use(self.parts.database, self._hold, token)

    def _identify(self, credentials: Credentials) -> None:
        if credentials.authorization is None:
            return
        scheme, _, token = credentials.authorization.partition(" ")
        if scheme.lower() != "bearer":
            message = "The Authorization header is 'Bearer' and an access token."
            raise Unauthenticated(message)
        text, narrow = token.strip(), narrowed(credentials.department)
        if text.startswith(API_TOKEN):
            user_id, key = read_api_token(text)
            self._identity = Identity(user_id, None, narrow, key)
            return
        self.claims = self.parts.tokens.verified_access(text)
        self._identity = Identity(self.claims.user_id, self.claims.session_id, narrow)

    def _renew(self) -> None:
        self._reads = Reads(self.parts.database, self._shared or self._identity, self._hold)
        self._loaders = Loaders(self._reads, self._columns)


Info = strawberry.Info[Context, None]
