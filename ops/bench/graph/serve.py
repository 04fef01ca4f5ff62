"""One process of one of the measured servers, all of them behind uvicorn with the same settings."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from domain.bell import Silence
from domain.settings import Settings
from graph.transport.options import TransportOptions
from graph.transport.server import server_config
from ops.bench.graph.cases import DOCUMENTED, HAND_WRITTEN, STOCK

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"


def app_of(name: str, settings: Settings) -> ASGIApp:
    """Builds a server's application; any other name than those of references is this server's."""
    # Each process loads what it serves and nothing else, so that their memory can be compared.
    if name == DOCUMENTED:
        from ops.bench.graph import documented  # noqa: PLC0415 (see above)

        return documented.create_app(settings)
    if name == HAND_WRITTEN:
        from ops.bench.graph import hand_written  # noqa: PLC0415 (see above)

        return hand_written.create_app(settings)
    from strawberry.schema.schema import (  # noqa: PLC0415 (see above)
        StrawberryGraphQLCoreExecutionContext,
    )

    from graph.app import create_app  # noqa: PLC0415 (see above)

    stock = StrawberryGraphQLCoreExecutionContext if name == STOCK else None
    return create_app(settings, Silence(), executor=stock)


def main(name: str, port: int) -> None:
    """Serves on a port, which processes of the same server share, until it is terminated."""
    app = app_of(name, Settings())
    config = server_config(app, TransportOptions(), host=HOST, port=port)
    with socket.socket() as listener:
        # The kernel shares out new connections among all sockets that listen like this.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((HOST, port))
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
