"""The pool of connections, and the one way a transaction begins and ends on one of them.

Connections are the driver's own. Statements run as its prepared statements and give `Row`s.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, suppress
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

LOST = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver between the server's last word and its hanging up
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
)
"""What the driver raises when the server is gone, going, not yet there, or full."""

BLOCKED = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
"""What the driver raises when others hold the rows that a statement is to change."""

MINIMUM_VERSION = 18

GONE = "The database went away. Try again."
BUSY = "Somebody else is changing this right now. Try again."

LOCK_SECONDS = 10.0
"""How long a statement waits for rows that another transaction holds."""

IDLE_SECONDS = 60.0
"""After this long without a statement the server ends a transaction: what a process that was
frozen holds, such as its job, becomes free for others.
"""

ACQUIRE_SECONDS = 10.0
"""How long an operation waits for a connection while all are taken."""


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
    """What one operation holds of the pool: never more than one connection at a time.

    ``last`` is text that is sent with the commit, in one round trip: what it locks is never held
    by a process that the machine has stopped between the two.
    """

    def __init__(self) -> None:
        self.taken = False
        self.last = ""


class Database:
    """A process's connections to PostgreSQL."""

    def __init__(self, settings: Settings, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """``idle_seconds`` is how long a transaction of this process may stand still."""
        self._settings = settings
        self._idle_seconds = idle_seconds
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
                    "lock_timeout": str(int(LOCK_SECONDS * 1000)),
                    "idle_in_transaction_session_timeout": str(int(self._idle_seconds * 1000)),
                    "application_name": "aetherflow",
                    "timezone": "UTC",
                    # Inside a literal, a quote is then the only thing that means anything.
                    "standard_conforming_strings": "on",
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
                await _commit(connection, hold.last)
            except BaseException:
                await _roll_back(connection)
                raise
            finally:
                await self._give_back(connection)
        finally:
            hold.taken = False
            hold.last = ""

    async def call(self, text: str, *arguments: Any) -> list[Row]:
        """Runs one statement that is a transaction by itself, in one round trip.

        Raises `Unavailable` when the connection is lost, and then nobody knows whether it ran.
        """
        connection = await self._acquired()
        try:
            rows: list[Row] = await connection.fetch(text, *arguments)
        except (asyncpg.PostgresError, *LOST) as error:
            raise translated(error) from error
        finally:
            await self._give_back(connection)
        return rows

    async def _opened(self, opening: str) -> tuple[Any, int]:
        for _attempt in range(3):
            connection = await self._acquired()
            try:
                tag = await connection.execute(opening)
            except LOST:
                _drop(connection)
                await self._give_back(connection)
            except BaseException as error:
                try:
                    await _roll_back(connection)
                finally:
                    await self._give_back(connection)
                if isinstance(error, asyncpg.PostgresError):
                    raise translated(error) from error
                raise
            else:
                return connection, int(tag.rpartition(" ")[2]) if tag[-1].isdigit() else 0
        message = "The database does not answer."
        raise Unavailable(message)

    async def _acquired(self) -> Any:
        if self._pool is None:
            message = "The database is not open."
            raise Unavailable(message)
        try:
            return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except TimeoutError as error:
            message = "All connections to the database are taken. Try again."
            raise Unavailable(message) from error
        except LOST as error:
            message = "The database does not answer."
            raise Unavailable(message) from error

    async def _give_back(self, connection: Any) -> None:
        assert self._pool is not None  # noqa: S101 (it was open when the connection was taken)
        # What ended meanwhile has no birth any more: the pool's proxy has let go of it.
        born = getattr(connection, "born", None)
        try:
            if born and time.monotonic() - born > self._settings.database_recycle_seconds:
                await connection.close()
        finally:
            await self._pool.release(connection)


async def _commit(connection: Any, last: str) -> None:
    try:
        tag = await connection.execute(f"{last}; commit" if last else "commit")
    except (asyncpg.PostgresError, *LOST) as error:
        raise translated(error) from error
    if tag != "COMMIT":
        # PostgreSQL answers so, and not with an error, when a statement before it had failed.
        message = "A statement of this transaction failed, so nothing of it was committed."
        raise RuntimeError(message)


async def _roll_back(connection: Any) -> None:
    """Ends a transaction, or the connection where even that is not possible; raises nothing new.

    After a statement that was cancelled the driver waits here until the server has stopped it.
    """
    try:
        await connection.execute("rollback")
    except (asyncpg.PostgresError, *LOST):
        _drop(connection)
    except BaseException:
        _drop(connection)
        raise


def _drop(connection: Any) -> None:
    with suppress(asyncpg.InterfaceError):  # it is gone already
        connection.terminate()


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


def translated(error: Exception) -> Exception:
    """Gives the expected error that a refusal or a lost connection stands for, or else the error.

    Refusals are those of our own functions, whose message is the function's, and of rows that
    others hold.
    """
    if isinstance(error, LOST):
        return Unavailable(GONE)
    if isinstance(error, BLOCKED):
        return Unavailable(BUSY)
    kind = RAISED.get(getattr(error, "sqlstate", None) or "")
    return kind(str(error)) if kind else error
