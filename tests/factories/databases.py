"""Databases of a test's own, and plain connections to them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from domain.database import Row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Servers


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """A connection whose rows are read by attribute and whose jsonb is Python's."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), record_class=Row)
    try:
        await connection.set_type_codec(
            "jsonb",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )
        yield connection
    finally:
        await connection.close()


def run_as_superuser(servers: Servers, text: str, *, database: str = "postgres") -> None:
    """Runs one statement, where no event loop runs."""

    async def run() -> None:
        async with connected(servers.database(servers.superuser_url, database)) as connection:
            await connection.execute(text)

    asyncio.run(run())


def drop_database(servers: Servers, name: str) -> None:
    """Drops a database and ends whatever is still connected to it."""
    run_as_superuser(servers, f"drop database if exists {name} with (force)")


def make_empty_database(servers: Servers, name: str) -> str:
    """Makes a database in which nothing is; gives its owner's address."""
    drop_database(servers, name)
    run_as_superuser(servers, f"create database {name} template template0 owner aetherflow_owner")
    return servers.database(servers.owner_url, name)
