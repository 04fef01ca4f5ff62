"""The real application on a free port, in this process, so that parts can be taken out."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import socket
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, true

import domain
from domain import paging, scope
from domain.identity.models import Department
from domain.jobs import reads as jobs_reads
from graph.app import create_app
from graph.transport.server import GatewayServer, server_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Subquery

    from domain.settings import Settings


class OwnBell:
    """A bell inside one process."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    async def work(self, message_id: str | None = None) -> None:
        """Nobody works here."""

    async def events(self) -> None:
        """Wakes all who wait."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def access(self) -> None:
        """Wakes all who wait."""
        await self.events()

    async def changed(self, seconds: float) -> None:
        """Waits for the next ring."""
        await self.heard(seconds)

    async def heard(self, seconds: float) -> None:
        """Waits for the next ring."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return


@asynccontextmanager
async def served(settings: Settings, bell: OwnBell, port: int = 0) -> AsyncIterator[str]:
    """Serves the application, on any free port unless one is said; gives host and port."""
    app = create_app(settings, bell)
    config = server_config(app, app.state.options, host="127.0.0.1", port=0, drain_seconds=5)
    config.loop = "none"
    server = GatewayServer(config, app.state.gateway)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            assert not serving.done()
            await asyncio.sleep(0.01)
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@contextmanager
def without_the_filter() -> Iterator[None]:
    """Takes the scope out of every statement: only row-level security is left to keep it."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            forget_statements()
            patch.setattr(scope, "condition", lambda _model: true())
            patch.setattr(scope, "permitted", lambda _model: true())
            patch.setattr(jobs_reads, "permitted", lambda _model: true())
            for module in (paging, jobs_reads):
                patch.setattr(module, "each_department", every_department)
            yield
    finally:
        forget_statements()


def every_department() -> Subquery:
    """All departments that security shows, in place of those of the scope."""
    return select(Department.id.label("department")).subquery("k")


def forget_statements() -> None:
    """Forgets every statement that was compiled, of whatever module of the domain."""
    for found in pkgutil.walk_packages(domain.__path__, "domain."):
        for value in vars(importlib.import_module(found.name)).values():
            if callable(getattr(value, "cache_clear", None)):
                value.cache_clear()
