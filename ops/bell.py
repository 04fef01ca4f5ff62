"""The bell over Redis: arq's queue for work, a channel for events. Both only wake somebody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import orjson
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from domain.settings import Settings

log = logging.getLogger(__name__)

EVENTS = "aetherflow:events"
ACCESS = "aetherflow:access"
RETRY_SECONDS = 1.0
RING_SECONDS = 1.0
"""How long a ring may hold up whoever rings: a Redis that hangs is as good as none."""
# The last is what uvloop raises for a write to a connection that was lost a moment ago.
FAULTS = (RedisError, OSError, TimeoutError, RuntimeError)


def redis_settings(settings: Settings) -> RedisSettings:
    """The address of Redis as arq wants it, failing fast: a bell that hangs would hold up work."""
    made = RedisSettings.from_dsn(settings.redis_url.get_secret_value())
    made.conn_timeout = 2
    made.conn_retries = 0
    return made


def packed(value: Any) -> bytes:
    """Serializes a message of the queue; never pickle, which runs what it reads."""
    return orjson.dumps(value, default=str)


class RedisBell:
    """Rings through Redis, and listens to its channels once somebody waits for one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = redis_settings(settings)
        self._redis: ArqRedis | None = None
        self._listener: asyncio.Task[None] | None = None
        self._teller: asyncio.Task[None] | None = None
        self._untold: set[str] = set()
        self._news = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._is_closed = False
        self._heard = {EVENTS: asyncio.Event(), ACCESS: asyncio.Event()}

    async def close(self) -> None:
        """Stops listening and disconnects."""
        self._is_closed = True
        for task in (self._listener, self._teller):
            if task is not None:
                # The driver swallows a cancellation that meets it while it connects.
                task.cancel()
                await asyncio.wait([task])
        if self._redis is not None:
            await self._redis.aclose()

    async def work(self, message_id: str | None = None) -> None:
        """Says that a job waits."""
        with contextlib.suppress(*FAULTS):
            async with asyncio.timeout(RING_SECONDS):
                redis = await self._connected()
                await redis.enqueue_job("work", _job_id=message_id)

    async def events(self) -> None:
        """Says that events were written, to this process at once and to the others by Redis.

        Nobody waits for Redis, and what is said while it is being told is told once.
        """
        self._say(EVENTS)

    async def heard(self, seconds: float) -> None:
        """Waits until events were written, or for at most ``seconds``."""
        await self._wait(EVENTS, seconds)

    async def access(self) -> None:
        """Says that what somebody may see or do has changed, as `events` says it."""
        self._say(ACCESS)

    async def changed(self, seconds: float) -> None:
        """Waits until access has changed, or for at most ``seconds``."""
        await self._wait(ACCESS, seconds)

    def _say(self, channel: str) -> None:
        self._wake(channel)
        self._untold.add(channel)
        self._news.set()
        if self._teller is None:
            self._teller = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while not self._is_closed:
            await self._news.wait()
            self._news.clear()
            channels, self._untold = self._untold, set()
            for channel in channels:
                with contextlib.suppress(*FAULTS):
                    async with asyncio.timeout(RING_SECONDS):
                        redis = await self._connected()
                        await redis.publish(channel, b"")

    async def _wait(self, channel: str, seconds: float) -> None:
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        heard = self._heard[channel]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await heard.wait()

    async def _connected(self) -> ArqRedis:
        async with self._connecting:
            if self._redis is None:
                self._redis = await create_pool(
                    self._settings, job_serializer=packed, job_deserializer=orjson.loads
                )
            return self._redis

    def _wake(self, channel: str) -> None:
        # Whoever waits holds the old event; who comes later waits for the next one.
        self._heard[channel].set()
        self._heard[channel] = asyncio.Event()

    async def _listen(self) -> None:
        while not self._is_closed:
            try:
                redis = await self._connected()
                async with redis.pubsub() as heard:
                    await heard.subscribe(*self._heard)
                    # Something may have rung while nobody listened.
                    for channel in self._heard:
                        self._wake(channel)
                    async for message in heard.listen():
                        if message["type"] == "message":
                            self._wake(message["channel"].decode())
            except FAULTS as error:
                log.warning("the bell can't be heard, looking every second instead: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
