from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from domain.errors import RateLimited
from ops import places
from ops.places import RedisPlaces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings


@pytest.fixture
async def two(settings: Settings) -> AsyncIterator[tuple[RedisPlaces, RedisPlaces]]:
    """The places of two processes."""
    made = RedisPlaces(settings), RedisPlaces(settings)
    yield made
    for each in made:
        await each.close()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Any]:
    made: Redis = Redis.from_url(settings.redis_url.get_secret_value())
    yield made
    await made.aclose()


async def taken(place: RedisPlaces, caller: str, limit: int = 2, kind: str = "sockets") -> bool:
    try:
        await place.take(kind, caller, limit)
    except RateLimited:
        return False
    return True


async def until_taken(place: RedisPlaces, caller: str) -> None:
    async with asyncio.timeout(5):
        while not await taken(place, caller):  # noqa: ASYNC110 (nothing signals it)
            await asyncio.sleep(0.05)


async def test_places_count_over_processes(two: tuple[RedisPlaces, RedisPlaces]) -> None:
    one, other = two
    caller = uuid4().hex
    assert await taken(one, caller)
    assert await taken(other, caller)
    assert not await taken(one, caller)
    assert not await taken(other, caller)
    assert await taken(one, caller, kind="subscriptions")
    assert await taken(one, uuid4().hex)
    other.leave("sockets", caller)
    await until_taken(one, caller)


async def test_a_process_that_ends_gives_its_places_back(
    settings: Settings, two: tuple[RedisPlaces, RedisPlaces]
) -> None:
    caller = uuid4().hex
    ending = RedisPlaces(settings)
    assert await taken(ending, caller)
    assert await taken(ending, caller)
    assert not await taken(two[0], caller)
    await ending.close()
    assert await taken(two[0], caller)


async def test_what_a_killed_process_held_is_forgotten(
    settings: Settings,
    two: tuple[RedisPlaces, RedisPlaces],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "FORGOTTEN_SECONDS", 1)
    caller = uuid4().hex
    killed = RedisPlaces(settings)
    assert await taken(killed, caller)
    assert await taken(killed, caller)
    assert not await taken(two[0], caller)
    await until_taken(two[0], caller)
    killed._held.clear()
    await killed.close()


async def test_what_is_held_is_told_again_after_a_flush(
    two: tuple[RedisPlaces, RedisPlaces], redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "RENEW_SECONDS", 0.05)
    caller = uuid4().hex
    assert await taken(two[0], caller)
    assert await taken(two[0], caller)
    await redis.flushdb()
    async with asyncio.timeout(5):
        while await redis.zcard(f"aetherflow:places:sockets:{caller}") < 2:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.02)
    assert not await taken(two[1], caller)


async def test_without_redis_each_process_counts_for_itself(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    alone = RedisPlaces(away)
    try:
        assert [await taken(alone, "somebody") for _ in range(3)] == [True, True, False]
        alone.leave("sockets", "somebody")
        assert await taken(alone, "somebody")
    finally:
        await alone.close()
