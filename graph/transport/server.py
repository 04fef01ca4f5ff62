"""uvicorn as the transports need it."""

from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING

import uvicorn

from graph.transport.frames import FrameProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from graph.transport.gateway import Gateway
    from graph.transport.options import TransportOptions


COLLECTED_AFTER = 5000
"""After how many new objects the youngest are searched for garbage: a few wide answers."""


class GatewayServer(uvicorn.Server):
    """A server that ends sockets and event streams as soon as it is told to stop.

    uvicorn alone would wait for event streams to end by themselves, which they never do.
    """

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and takes what there is by then out of the search for garbage.

        The schema and the modules live as long as the process. To go through them again and again
        took a fifth of the time of a nested query (measured).
        """
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECTED_AFTER)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what lasts, then waits for requests that are being answered."""
        await self._gateway.shutdown()
        await super().shutdown(sockets)


def server_config(
    app: ASGIApp,
    options: TransportOptions,
    *,
    host: str,
    port: int,
    drain_seconds: int = 30,
) -> uvicorn.Config:
    """Makes uvicorn's configuration; ``drain_seconds`` is how long requests may take to end."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws=FrameProtocol,
        # The protocol's own pings find dead clients, and a compressed message would be unpacked
        # before its size is known.
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        ws_max_size=options.message_bytes,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=drain_seconds,
    )
