"""A client of the graph for the command: operations over HTTP, subscriptions over a WebSocket."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx
import orjson
import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType
    from typing import Self

SUBPROTOCOL = websockets.Subprotocol("graphql-transport-ws")

ANSWER_SECONDS = 60
HANDSHAKE_SECONDS = 15

LONGEST_PAUSE_SECONDS = 10.0
TRIES = 12
"""How often a stream that gives nothing is opened anew: for about a minute and a half."""

FORBIDDEN = 4403
"""The socket's code for credentials that were refused or have run out."""

FINAL_CODES = frozenset({4400, 4401, 4406, 4409, 4429})
"""The socket's codes after which trying again can't help."""


class Access(Protocol):
    """Where the client's access token comes from."""

    async def token(self) -> str | None:
        """Gives the token to use now, or None where there is none."""

    async def renew(self) -> bool:
        """Tries to get another token, and tells whether there is one."""


class GraphRefused(CommandFailed):
    """The server refused an operation; ``code`` is the word that stands in its extensions."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        extensions = error.get("extensions") or {}
        self.code = str(extensions.get("code", ""))
        faults = [
            f"{'.'.join(str(step) for step in fault['path'])}: {fault['message']}"
            for fault in extensions.get("fieldErrors", ())
            if fault["message"] != error["message"]
        ]
        told = "; ".join([str(error["message"]), *faults])
        super().__init__(f"{told} ({self.code}, request {extensions.get('requestId', 'unknown')})")


class Client:
    """Talks to one server, as whoever ``access`` has a token of."""

    def __init__(self, server: str, access: Access) -> None:
        """Describes the server by its address, ``https://data.example``."""
        self.server = server.rstrip("/").removesuffix("/graphql")
        parts = urlsplit(self.server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"{server!r} is no server's address: it is like http://127.0.0.1:8000."
            raise CommandFailed(message)
        self._access = access
        # A proxy of the environment can't reach what runs on this machine.
        self.proxied = not _is_here(parts.hostname)
        self._http = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=self.proxied)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Runs a query or a mutation and gives its data.

        A token that has run out is renewed, and the operation sent again. Raises `GraphRefused` for
        the first error of the answer, and `CommandFailed` when there is no answer of a graph.
        """
        try:
            return await self._ask(query, variables)
        except GraphRefused as refused:
            if refused.code != "UNAUTHENTICATED" or not await self._access.renew():
                raise
        return await self._ask(query, variables)

    async def _ask(self, query: str, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        token = await self._access.token()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": dict(variables or {})}
        try:
            answer = await self._http.post(f"{self.server}/graphql", json=body, headers=headers)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            fault = str(error) or type(error).__name__
            message = (
                f"{self.server} does not answer ({fault}). Is it running? `./aetherflow up` starts "
                "one here; --server names another."
            )
            raise CommandFailed(message) from error
        try:
            content = orjson.loads(answer.content)
            errors, data = content.get("errors"), content.get("data")
        except (orjson.JSONDecodeError, AttributeError):
            message = f"{self.server} answers, but not as AetherFlow (HTTP {answer.status_code})."
            raise CommandFailed(message) from None
        if errors or not isinstance(data, dict):
            raise GraphRefused((errors or [{"message": "The answer is empty."}])[0])
        return data

    async def follow(
        self, query: str, variables: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Runs a subscription of one field with a ``cursor``, and gives that field of each event.

        A connection that is lost is opened anew, and goes on after the last cursor in the variable
        ``after``. Raises `GraphRefused` for an error of the stream, and `CommandFailed` when the
        server stays away.
        """
        after = variables.get("after")
        fruitless = 0
        while True:
            try:
                async with aclosing(self._stream(query, {**variables, "after": after})) as events:
                    async for event in events:
                        after, fruitless = event["cursor"], 0
                        yield event
            except GraphRefused as refused:
                after = None if refused.code == "CURSOR_EXPIRED" else after
                if not await self._goes_on(refused):
                    raise
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                await self._forgive(error)
            else:
                return
            fruitless += 1
            if fruitless > TRIES:
                message = f"{self.server} ended the stream {TRIES} times without an event."
                raise CommandFailed(message)
            await asyncio.sleep(min(0.1 * 2**fruitless, LONGEST_PAUSE_SECONDS))

    async def _goes_on(self, refused: GraphRefused) -> bool:
        """Tells whether a stream that ended with this error can be opened anew."""
        if refused.code == "UNAUTHENTICATED":
            return await self._access.renew()
        return refused.code in {"CURSOR_EXPIRED", "UNAVAILABLE"}

    async def _forgive(self, error: Exception) -> None:
        """Lets a lost connection pass that can be opened anew. Raises `CommandFailed`."""
        close = error.rcvd if isinstance(error, ConnectionClosed) else None
        if close is None:
            return
        refused = close.code == FORBIDDEN and not await self._access.renew()
        if refused or close.code in FINAL_CODES:
            message = f"the server closed the stream: {close.reason} ({close.code})"
            raise CommandFailed(message) from error

    async def _stream(
        self, query: str, variables: Mapping[str, Any]
    ) -> AsyncGenerator[dict[str, Any], None]:
        token = await self._access.token()
        async with websockets.connect(
            self.server.replace("http", "ws", 1) + "/graphql",
            subprotocols=[SUBPROTOCOL],
            open_timeout=HANDSHAKE_SECONDS,
            max_size=None,
            proxy=self.proxied or None,
        ) as socket:
            payload = {"authorization": f"Bearer {token}"} if token else {}
            await socket.send(_written(type="connection_init", payload=payload))
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                while orjson.loads(await socket.recv())["type"] != "connection_ack":
                    continue
            body = {"query": query, "variables": dict(variables)}
            await socket.send(_written(id="1", type="subscribe", payload=body))
            async for text in socket:
                message = orjson.loads(text)
                match message["type"]:
                    case "next":
                        yield _only_field(message["payload"])
                    case "error":
                        raise GraphRefused(message["payload"][0])
                    case "complete":
                        return
                    case "ping":
                        await socket.send(_written(type="pong"))
            # The server said goodbye as any socket does, in the middle of the stream.
            raise ConnectionResetError


def _only_field(payload: Mapping[str, Any]) -> dict[str, Any]:
    if payload.get("errors"):
        raise GraphRefused(payload["errors"][0])
    (event,) = payload["data"].values()
    return dict(event)


def _written(**message: Any) -> str:
    return orjson.dumps(message).decode()


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
