"""The pool of connections, and the one way a transaction begins and ends on one of them.

Connections are the driver's own. Statements run as its prepared statements and give `Row`s.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from domain.errors import Conflict, DomainError, NotFound, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings

# The codes that this product's own functions raise, and what each one is to the caller.
RAISED: dict[str, type[DomainError]] = {
    "AF401": Unauthenticated,
    "AF404": NotFound,
    "AF409": Conflict,
}

LOST = (asyncpg.InterfaceError, asyncpg.PostgresConnectionError, ConnectionError, OSError)

MINIMUM_VERSION = 18


class Row(asyncpg.Record):
    """A row that is read by attribute; ``row.status`` is its column ``status``."""

    def __getattr__(self, name: str) -> Any:
        """Gives the column of that name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Connection(asyncpg.Connection):
    """A connection that the pool gives back as it is, because transactions leave nothing behind.

    Settings are local to their transaction, and nothing here listens, locks by session or opens
    cursors, so the driver's round trip that resets all of that is saved.
    """

    born: float = 0

    def get_reset_query(self) -> str:
        """Says that nothing needs resetting."""
        return ""


class Hold:
    """What one operation holds of the pool: never more than one connection at a time."""

    def __init__(self) -> None:
        self.taken = False


class Database:
    """A process's connections to PostgreSQL."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self) -> None:
        """Connects, and refuses a server or a role on which the scope could not be enforced.

        Raises `Unavailable` when the server does not answer, `RuntimeError` when it is unfit.
        """
        settings = self._settings
        try:
            self._pool = await asyncpg.create_pool(
                settings.database_url.get_secret_value().replace("+asyncpg", ""),
                min_size=1,
                max_size=settings.database_pool_size + settings.database_max_overflow,
                connection_class=Connection,
                record_class=Row,
                init=_prepare,
                statement_cache_size=500,
                max_cached_statement_lifetime=0,
                command_timeout=settings.database_statement_seconds + 5,
                server_settings={
                    "statement_timeout": str(int(settings.database_statement_seconds * 1000)),
                    "application_name": "aetherflow",
                    "timezone": "UTC",
                    # Array parameters hide how many keys there are, so a generic plan is as good
                    # as a custom one and saves planning each time.
                    "plan_cache_mode": "force_generic_plan",
                },
            )
        except LOST as error:
            message = "The database does not answer."
            raise Unavailable(message) from error
        try:
            async with self._pool.acquire() as connection:
                await _require_fitness(connection)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closes all connections, waiting for what still runs."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    @asynccontextmanager
    async def transaction(self, opening: str, hold: Hold) -> AsyncIterator[tuple[Any, int]]:
        """Opens a transaction with its scope; commits at the end, rolls back when left by an error.

        Gives the connection and the number of rows that the opening text's last statement gave.
        The opening doubles as the test of a pooled connection: a dead one is replaced and tried
        again. Raises what `translated` makes of a refusal.
        """
        assert not hold.taken, "an operation never holds two connections"  # noqa: S101 (invariant)
        hold.taken = True
        try:
            connection, rows = await self._opened(opening)
            try:
                yield connection, rows
                await connection.execute("commit")
            except BaseException:
                if not connection.is_closed():
                    await connection.execute("rollback")
                raise
            finally:
                await self._give_back(connection)
        finally:
            hold.taken = False

    async def _opened(  # noqa: C901 (each way in which a connection can be dead)
        self, opening: str
    ) -> tuple[Any, int]:
        if self._pool is None:
            message = "The database is not open."
            raise Unavailable(message)
        for last in (False, False, True):
            try:
                connection = await self._pool.acquire(timeout=10)
            except (*LOST, TimeoutError) as error:
                message = "The database does not answer."
                raise Unavailable(message) from error
            try:
                tag = await connection.execute(opening)
            except asyncpg.PostgresError as error:
                if not isinstance(error, LOST):
                    if connection.is_in_transaction():
                        await connection.execute("rollback")
                    await self._give_back(connection)
                    raise translated(error) from error
                await self._pool.release(connection)
            except LOST:
                await self._pool.release(connection)
            except BaseException:
                # Cancelled in the middle: what the server made of it is unknown.
                connection.terminate()
                await self._pool.release(connection)
                raise
            else:
                return connection, int(tag.rpartition(" ")[2]) if tag[-1].isdigit() else 0
            if last:
                break
        message = "The database does not answer."
        raise Unavailable(message)

    async def _give_back(self, connection: Any) -> None:
        assert self._pool is not None  # noqa: S101 (it was open when the connection was taken)
        if time.monotonic() - connection.born > self._settings.database_recycle_seconds:
            await connection.close()
        await self._pool.release(connection)


async def _prepare(connection: Any) -> None:
    connection.born = time.monotonic()
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=_encoded, decoder=orjson.loads, schema="pg_catalog", format="text"
        )


def _encoded(value: Any) -> str:
    return orjson.dumps(value).decode()


async def _require_fitness(connection: Any) -> None:
    # Row-level security lets through whoever owns, or is a member of a role that owns, a table or a
    # function that looks with its owner's eyes.
    row = await connection.fetchrow("""
        select current_setting('server_version_num')::int / 10000 as version,
               exists (select from pg_roles
                       where (rolsuper or rolbypassrls) and pg_has_role(oid, 'member')) as unbound,
               exists (select from pg_class where pg_has_role(relowner, 'member'))
               or exists (select from pg_proc
                          where prosecdef and pg_has_role(proowner, 'member')) as owns
    """)
    if row.version < MINIMUM_VERSION:
        message = f"PostgreSQL {MINIMUM_VERSION} or later is needed; this is {row.version}."
        raise RuntimeError(message)
    if row.unbound or row.owns:
        message = (
            "AETHERFLOW_DATABASE_URL must name a role that is no superuser, owns no table and "
            "does not bypass row-level security, such as aetherflow_app."
        )
        raise RuntimeError(message)


def translated(error: asyncpg.PostgresError) -> Exception:
    """Gives the expected error that a refusal of our own functions stands for, or the error."""
    kind = RAISED.get(error.sqlstate or "")
    return kind(error.args[0]) if kind else error
