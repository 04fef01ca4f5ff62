"""A request over HTTP: what its headers say, its body, and how it is answered."""

from __future__ import annotations

import re
import uuid

from starlette.types import Receive, Scope, Send

from domain.errors import DomainError, LimitExceeded
from graph.transport.negotiation import JSON
from graph.transport.operation import Credentials, RequestInfo

REQUEST_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
LONGEST_EVENT_ID = 200

# Nothing that a caller is shown may stay in a shared cache, or be run as something else.
FIXED_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


class RequestRefusedError(Exception):
    """The request is not GraphQL over HTTP; it has a status of its own."""

    def __init__(
        self, status: int, error: DomainError, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = headers


class ClientGoneError(Exception):
    """The client left before its request was read."""


class Call:
    """One request over HTTP: what its headers say, and how it is answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.query_string: bytes = scope["query_string"]
        self.receive = receive
        self.send = send
        asked = self.header(b"x-request-id")
        self.request_id = asked if REQUEST_ID.fullmatch(asked) else str(uuid.uuid4())
        client = scope.get("client")
        self.address: str | None = client[0] if client else None

    def header(self, name: bytes) -> str:
        """Gives a header's value, "" when it is missing."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def credentials(self) -> Credentials:
        """What the caller says of itself."""
        return Credentials(
            self.header(b"authorization") or None, self.header(b"x-department") or None
        )

    def info(self, *, streamed: bool) -> RequestInfo:
        """Where the operation came from."""
        event_id = self.header(b"last-event-id")
        return RequestInfo(
            self.request_id,
            self.address,
            self.header(b"user-agent") or None,
            "sse" if streamed else "http",
            event_id if 0 < len(event_id) <= LONGEST_EVENT_ID else None,
        )

    async def body(self, limit: int) -> bytes:
        """Reads the body; raises `RequestRefusedError` when it is longer than ``limit`` bytes."""
        promised = self.headers.get(b"content-length", b"")
        if promised.isdigit() and int(promised) > limit:
            raise _too_long(limit)
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _too_long(limit)
            chunks.append(chunk)
            more = message.get("more_body", False)
        return b"".join(chunks)

    async def start(
        self, status: int, media: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Begins a response."""
        await self.send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", f"{media}; charset=utf-8".encode()),
                    (b"x-request-id", self.request_id.encode()),
                    *FIXED_HEADERS,
                    *headers,
                ],
            }
        )

    async def answer(
        self,
        status: int,
        body: bytes,
        media: str = JSON,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        """Sends a whole response."""
        await self.start(status, media, ((b"content-length", b"%d" % len(body)), *headers))
        await self.send({"type": "http.response.body", "body": body})

    async def gone(self) -> None:
        """Returns when the client has gone; the body must have been read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


def _too_long(limit: int) -> RequestRefusedError:
    # The connection stays open: closing it on a client that still sends would lose it the answer.
    # The server reads the rest and throws it away.
    return RequestRefusedError(413, LimitExceeded(f"The body is longer than {limit} bytes."))
