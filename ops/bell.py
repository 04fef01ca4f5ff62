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

CHANNEL = "aetherflow:events"
RETRY_SECONDS = 1.0
RING_SECONDS = 1.0
"""How long a ring may hold up whoever rings: a Redis that hangs is as good as none."""
FAULTS = (RedisError, OSError, TimeoutError)


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
    """Rings through Redis, and listens to its channel once somebody waits for events."""

    def __init__(self, settings: Settings) -> None:
        self._settings = redis_settings(settings)
        self._redis: ArqRedis | None = None
        self._listener: asyncio.Task[None] | None = None
        self._teller: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._heard = asyncio.Event()

    async def close(self) -> None:
        """Stops listening and disconnects."""
        for task in (self._listener, self._teller):
            if task is not None:
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
        self._wake()
        self._news.set()
        if self._teller is None:
            self._teller = asyncio.create_task(self._tell())

    async def heard(self, seconds: float) -> None:
        """Waits until events were written, or for at most ``seconds``."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        heard = self._heard
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), seconds)

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            with contextlib.suppress(*FAULTS):
                async with asyncio.timeout(RING_SECONDS):
                    redis = await self._connected()
                    await redis.publish(CHANNEL, b"")

    async def _connected(self) -> ArqRedis:
        async with self._connecting:
            if self._redis is None:
                self._redis = await create_pool(
                    self._settings, job_serializer=packed, job_deserializer=orjson.loads
                )
            return self._redis

    def _wake(self) -> None:
        # Whoever waits holds the old event; who comes later waits for the next one.
        self._heard.set()
        self._heard = asyncio.Event()

    async def _listen(self) -> None:
        while True:
            try:
                redis = await self._connected()
                async with redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    # Something may have rung while nobody listened.
                    self._wake()
                    async for _ in channel.listen():
                        self._wake()
            except FAULTS as error:
                log.warning("the bell can't be heard, looking every second instead: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
