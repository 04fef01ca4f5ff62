from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from ops.bell import RING_SECONDS, RedisBell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from domain.settings import Settings


@pytest.fixture
async def bell(settings: Settings) -> AsyncIterator[RedisBell]:
    made = RedisBell(settings)
    yield made
    await made.close()


async def test_wakes_who_waits_in_another_process(settings: Settings, bell: RedisBell) -> None:
    waiting = asyncio.create_task(bell.heard(10))
    other = RedisBell(settings)
    try:
        began = time.monotonic()
        while not waiting.done() and time.monotonic() - began < 5:
            await other.events()
            await asyncio.sleep(0.05)
        assert waiting.done()
    finally:
        await other.close()


async def test_wakes_who_waits_in_this_process_without_redis(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    bell = RedisBell(nowhere)
    waiting = asyncio.create_task(bell.heard(10))
    await asyncio.sleep(0.05)
    await bell.events()
    await bell.work()
    await asyncio.wait_for(waiting, 1)
    await bell.close()


async def test_a_redis_that_hangs_holds_nobody_up_for_long(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hanging = settings.model_copy(
            update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")}
        )
        bell = RedisBell(hanging)
        began = time.monotonic()
        await bell.work()
        assert time.monotonic() - began < 3 * RING_SECONDS
        with contextlib.suppress(Exception):
            await bell.close()


async def test_stops_waiting_when_nothing_rings(bell: RedisBell) -> None:
    await asyncio.wait_for(bell.heard(0.05), 5)
