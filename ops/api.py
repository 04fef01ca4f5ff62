"""One API process: the graph behind uvicorn."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from typing import TYPE_CHECKING

import uvloop
from starlette.routing import Route

from graph.app import create_app
from graph.transport.server import GatewayServer, server_config
from ops.bell import RedisBell
from ops.configuration import require_database
from ops.logs import log_to_stderr
from ops.metrics import PATH, Metrics
from ops.places import RedisPlaces

if TYPE_CHECKING:
    from domain.settings import Settings

TRUSTED_PROXIES = "FORWARDED_ALLOW_IPS"
"""uvicorn's own variable: the addresses of proxies whose ``X-Forwarded-For`` is believed."""


def run_api(settings: Settings, host: str, port: int) -> None:
    """Serves until SIGINT or SIGTERM, which end streams at once and let requests come to an end.

    Raises `CommandFailed` when the database does not answer or is unfit, and SystemExit when the
    port is taken.
    """
    log_to_stderr()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, host, port))


async def _serve(settings: Settings, host: str, port: int) -> None:
    # Asked here, an unfit database is a sentence; asked by the application alone, a traceback.
    await require_database(settings)
    _allow_many_sockets()
    bell, places = RedisBell(settings), RedisPlaces(settings)
    app = create_app(settings, bell, places)
    metrics = Metrics(settings)
    app.routes.append(Route(PATH, metrics.endpoint, methods=["GET"]))
    config = server_config(app, app.state.options, host=host, port=port)
    # Anyone can write these headers, so they count only where the operator names the proxies.
    config.proxy_headers = TRUSTED_PROXIES in os.environ
    for number in (signal.SIGINT, signal.SIGTERM):
        # While it serves, uvicorn handles both; having stopped, it sends itself the same once more.
        signal.signal(number, lambda *_: None)
    try:
        await GatewayServer(config, app.state.gateway).serve()
    finally:
        await metrics.close()
        await places.close()
        await bell.close()


def _allow_many_sockets() -> None:
    """Lets the process have as many files open as it may: each socket is one."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
