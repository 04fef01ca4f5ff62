"""A real server of the small schema: what the tests talk to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response

from domain.errors import DomainError, Forbidden, RateLimited, Unauthenticated, Unavailable
from graph.transport.frames import FrameProtocol
from graph.transport.gateway import Gateway, ResponseStream
from graph.transport.operation import (
    Credentials,
    OperationRequest,
    OperationResult,
    RequestInfo,
)
from graph.transport.options import TransportOptions
from graph.transport.routes import graphql_routes
from tests.graph.transport.schema import Context, Ledger, schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request


def gateway_of(ledger: Ledger) -> Gateway:
    def context(credentials: Credentials, info: RequestInfo) -> Context:
        if credentials.authorization == "Bearer forged":
            raise Unauthenticated("The token is not valid.")
        if credentials.authorization == "Bearer broken":
            message = "secret"
            raise RuntimeError(message)
        ledger.infos.append(info)
        ledger.credentials.append(credentials)
        return Context(ledger, credentials, info)

    return Gateway(schema._schema, context)


def asked(query: str, **variables: object) -> OperationRequest:
    return OperationRequest(query, None, variables)


def info_of(request_id: str = "r1") -> RequestInfo:
    return RequestInfo(request_id, None, None, "http")


class Admitted:
    """What holds a place until it is closed."""

    def __init__(self, ledger: Ledger, expires_at: datetime | None = None) -> None:
        self.expires_at = expires_at
        self._ledger = ledger
        ledger.admitted += 1

    def close(self) -> None:
        self._ledger.admitted -= 1


@dataclass
class Served:
    """A running server."""

    host: str
    port: int
    gateway: Gateway
    ledger: Ledger
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/graphql"

    @property
    def socket(self) -> str:
        return f"ws://{self.host}:{self.port}/graphql"

    async def stop(self) -> None:
        """Stops the server as uvicorn does, without the pauses that it makes meanwhile."""
        await self.gateway.shutdown()
        for listening in self.server.servers:
            listening.close()
        state = self.server.server_state
        for connection in list(state.connections):
            connection.shutdown()
        async with asyncio.timeout(5):
            while state.connections or state.tasks:  # noqa: ASYNC110 (uvicorn signals nothing)
                await asyncio.sleep(0.005)


def app_of(gateway: Gateway, options: TransportOptions, ledger: Ledger) -> Starlette:
    async def check(
        credentials: Credentials, _address: str | None, ended: Callable[[DomainError], None]
    ) -> Admitted:
        ledger.revoke = ended
        match credentials.authorization:
            case "Bearer forbidden":
                raise Forbidden("No.")
            case "Bearer unavailable":
                raise Unavailable("Not now.")
            case "Bearer forged":
                raise Unauthenticated("The token is not valid.")
            case "Bearer defect":
                message = "secret"
                raise RuntimeError(message)
            case "Bearer short":
                return Admitted(ledger, datetime.now(UTC) + timedelta(seconds=ledger.token_seconds))
            case "Bearer crowded":
                raise RateLimited("Close some first.")
        return Admitted(ledger)

    async def page(_request: Request) -> Response:
        return PlainTextResponse("the page", media_type="text/html")

    routes = graphql_routes(gateway, options, page=page, check=check)
    return Starlette(routes=routes)


@asynccontextmanager
async def serving(
    options: TransportOptions | None = None, ledger: Ledger | None = None, port: int = 0
) -> AsyncIterator[Served]:
    """Serves the schema with uvicorn in this event loop, on a free port."""
    ledger = ledger or Ledger()
    gateway = gateway_of(ledger)
    app = app_of(gateway, options or TransportOptions(), ledger)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            app, log_level="critical", lifespan="off", access_log=False, ws=FrameProtocol
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        host, bound = listener.getsockname()
        served = Served(host, bound, gateway, ledger, server)
        try:
            yield served
        finally:
            await served.stop()
    await ledger.settled()
    assert ledger.admitted == 0


async def answers(stream: ResponseStream) -> list[OperationResult]:
    """All results of an operation that shares nothing."""
    results = []
    async for result in stream:
        assert isinstance(result, OperationResult)
        results.append(result)
    return results
