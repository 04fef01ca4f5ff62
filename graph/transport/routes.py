"""The routes of the transports."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from graph.transport.gateway import Gateway
from graph.transport.http import HttpEndpoint, Page
from graph.transport.operation import CredentialCheck
from graph.transport.options import TransportOptions
from graph.transport.sse import EventStreams
from graph.transport.websocket import WebSocketEndpoint

ASKED_HEADERS = ("authorization", "content-type", "last-event-id", "x-department", "x-request-id")


def graphql_routes(
    gateway: Gateway, options: TransportOptions, *, page: Page, check: CredentialCheck
) -> list[BaseRoute]:
    """Gives the routes of HTTP, WebSocket and event streams at ``options.path``.

    ``page`` answers a browser that opens the address; ``check`` checks the credentials of what
    lasts, which is closed when they expire.
    """
    stream = EventStreams(gateway, options, check)
    middleware: list[Middleware] = []
    if options.allowed_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=options.allowed_origins,
                allow_methods=("GET", "POST"),
                allow_headers=ASKED_HEADERS,
                expose_headers=("x-request-id",),
            )
        )
    answers = HttpEndpoint(gateway, options, page=page, stream=stream)
    streams = HttpEndpoint(gateway, options, page=None, stream=stream)
    return [
        Route(options.path, answers, middleware=middleware),
        Route(f"{options.path}/stream", streams, middleware=middleware),
        WebSocketRoute(options.path, WebSocketEndpoint(gateway, options, check)),
    ]
