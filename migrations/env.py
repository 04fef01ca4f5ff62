"""Runs the migrations as the database's owner, on the address that the configuration carries."""

from __future__ import annotations

import asyncio

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# A migration that can't get its lock soon gives up rather than queue all traffic behind it.
LIMITS = ("set lock_timeout = '5s'", "set statement_timeout = '15min'")


def run_migrations(connection: Connection) -> None:
    """Applies the revisions, each in a transaction of its own."""
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_online() -> None:
    """Connects, serialises with other migrators, and migrates."""
    # The driver reads the address itself, as everywhere else: its TLS options are in there.
    url = context.config.attributes["url"]
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    async with engine.connect() as connection:
        # Two starting processes must not both migrate: the second waits here and finds it done.
        await connection.execute(text("select pg_advisory_lock(hashtext('aetherflow.migrate'))"))
        await connection.commit()
        for limit in LIMITS:
            await connection.execute(text(limit))
        await connection.commit()
        await connection.run_sync(run_migrations)
        await connection.commit()
    await engine.dispose()


asyncio.run(run_online())
