"""The way in of sockets: who may open one, and in which language it speaks."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from graph.transport.connection import Connection
from graph.transport.frames import EXTENSION
from graph.transport.gateway import Gateway
from graph.transport.messages import SUBPROTOCOL, CloseCode
from graph.transport.operation import CredentialCheck, Credentials
from graph.transport.options import TransportOptions


class WebSocketEndpoint:
    """An ASGI application that speaks ``graphql-transport-ws``."""

    def __init__(self, gateway: Gateway, options: TransportOptions, check: CredentialCheck) -> None:
        self._gateway = gateway
        self._options = options
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one socket until it closes."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        await receive()  # the request to connect
        if not self._same_site(headers):
            # Before the handshake ends, a close is answered as 403.
            await send({"type": "websocket.close"})
            return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            reason = f"Only {SUBPROTOCOL} is spoken here."
            await send(
                {"type": "websocket.close", "code": CloseCode.SUBPROTOCOL.value, "reason": reason}
            )
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        client = scope.get("client")
        connection = Connection(
            self._gateway,
            self._options,
            self._check,
            Credentials(headers.get(b"authorization"), headers.get(b"x-department")),
            (client[0] if client else None, headers.get(b"user-agent")),
            receive,
            send,
            scope.get("extensions", {}).get(EXTENSION),
        )
        await connection.run()

    def _same_site(self, headers: dict[bytes, str]) -> bool:
        """Tells whether a browser's page may connect: browsers let any site open sockets."""
        origin = headers.get(b"origin")
        if origin is None or {"*", origin} & set(self._options.allowed_origins):
            return True
        return urlsplit(origin).netloc.lower() == headers.get(b"host", "").lower() != ""
