"""Places over Redis, so that what a caller holds open counts over all processes.

Each place is a member of a sorted set of its caller, scored with the moment when it is forgotten.
Its process puts that off as long as the place is held, so one that was killed gives its places back
by itself within `FORGOTTEN_SECONDS`. When Redis is away, each process counts its own alone; what
was taken meanwhile is counted for all once Redis is back, and after it was flushed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.places import ProcessPlaces, too_many

if TYPE_CHECKING:
    from domain.settings import Settings

log = logging.getLogger(__name__)

FORGOTTEN_SECONDS = 60
RENEW_SECONDS = 20.0
ANSWER_SECONDS = 1.0
FAULTS = (RedisError, OSError, TimeoutError)

# Forgets what nobody holds any more, then takes a place if there is one.
TAKE = """
local now = tonumber(redis.call('time')[1])
redis.call('zremrangebyscore', KEYS[1], '-inf', now)
if redis.call('zcard', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('zadd', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('expire', KEYS[1], ARGV[3])
return 1
"""

RENEW = """
local until_then = tonumber(redis.call('time')[1]) + tonumber(ARGV[1])
for place = 2, #ARGV do redis.call('zadd', KEYS[1], until_then, ARGV[place]) end
redis.call('expire', KEYS[1], ARGV[1])
"""
TOGETHER = 1000
"""How many places one call renews."""


class RedisPlaces:
    """The places of this process, known to the others."""

    def __init__(self, settings: Settings) -> None:
        self._redis: Redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
        )
        self._own = ProcessPlaces()
        self._held: dict[str, list[str]] = {}
        self._given_back: dict[str, list[str]] = {}
        self._wanted = asyncio.Event()
        self._renewer: asyncio.Task[None] | None = None
        self._is_closed = False

    async def take(self, kind: str, caller: str, limit: int) -> None:
        """Takes a place. Raises `RateLimited` when the caller has all of them."""
        await self._own.take(kind, caller, limit)
        key, place = _key(kind, caller), uuid.uuid4().hex
        try:
            taken = await self._call(TAKE, key, place, limit, FORGOTTEN_SECONDS)
        except FAULTS as error:
            log.warning("places are counted in this process alone: %s", error)
            taken = 1
        except BaseException:
            self._own.leave(kind, caller)
            raise
        if not taken:
            self._own.leave(kind, caller)
            raise too_many(kind, limit)
        self._held.setdefault(key, []).append(place)
        if self._renewer is None:
            self._renewer = asyncio.create_task(self._renew())

    def leave(self, kind: str, caller: str) -> None:
        """Gives a place back, and soon to the other processes too."""
        self._own.leave(kind, caller)
        key = _key(kind, caller)
        # All places of a caller are alike.
        place = self._held[key].pop()
        if not self._held[key]:
            del self._held[key]
        self._given_back.setdefault(key, []).append(place)
        self._wanted.set()

    async def close(self) -> None:
        """Gives all places back and disconnects."""
        self._is_closed = True
        self._wanted.set()
        if self._renewer is not None:
            # The driver swallows a cancellation that meets it while it connects.
            await asyncio.wait([self._renewer])
        for key, places in self._held.items():
            self._given_back.setdefault(key, []).extend(places)
        self._held.clear()
        with contextlib.suppress(*FAULTS):
            await self._give_back()
        await self._redis.aclose()

    async def _renew(self) -> None:
        due = time.monotonic() + RENEW_SECONDS
        while not self._is_closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._give_back()
                if time.monotonic() >= due:
                    due = time.monotonic() + RENEW_SECONDS
                    for key, places in tuple(self._held.items()):
                        for start in range(0, len(places), TOGETHER):
                            some = places[start : start + TOGETHER]
                            await self._call(RENEW, key, FORGOTTEN_SECONDS, *some)
            except FAULTS as error:
                log.warning("places can't be told to other processes: %s", error)
                await asyncio.sleep(ANSWER_SECONDS)

    async def _give_back(self) -> None:
        while self._given_back:
            key, places = self._given_back.popitem()
            try:
                await self._redis.zrem(key, *places)
            except BaseException:
                self._given_back.setdefault(key, []).extend(places)
                raise

    async def _call(self, script: str, key: str, *arguments: Any) -> Any:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._redis.eval(script, 1, key, *arguments)  # type: ignore[misc]  # to the driver's types an answer may come at once


def _key(kind: str, caller: str) -> str:
    return f"aetherflow:places:{kind}:{caller}"
