from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import bcrypt
import pytest

from domain.errors import InvalidInput, Unavailable
from domain.identity import passwords
from domain.identity.passwords import STAND_IN, hash_password, verify

if TYPE_CHECKING:
    from collections.abc import Awaitable

LONGEST = "é" * 36  # 72 bytes


@pytest.mark.parametrize("password", ["12345678", "x" * 72, LONGEST])
async def test_accepts_eight_to_seventy_two_bytes(password: str) -> None:
    hashed = await hash_password(password)
    assert hashed.startswith("$2b$12$")
    assert await verify(password, hashed)
    assert not await verify(password[:-1] + "?", hashed)


@pytest.mark.parametrize("password", ["", "1234567", "x" * 73, LONGEST + "x", "é" * 3])
async def test_rejects_other_lengths_in_bytes_and_says_how_many_there_are(password: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await hash_password(password, "newPassword")
    (fault,) = refusal.value.fields
    assert (fault.path, fault.code) == (("newPassword",), "length")
    assert f"has {len(password.encode())}." in fault.message


async def test_rejects_a_nul_which_other_programs_stop_at() -> None:
    with pytest.raises(InvalidInput):
        await hash_password("1234\x005678")


async def test_bytes_beyond_what_bcrypt_reads_are_not_ignored() -> None:
    assert not await verify("x" * 73, await hash_password("x" * 72))


async def test_what_stands_in_for_an_impossible_password_opens_nothing() -> None:
    hashed = await hash_password("impossible")
    assert await verify("impossible", hashed)
    assert not await verify("x" * 73, hashed)


@pytest.mark.parametrize("password", ["short", "x" * 73, "1234\x005678", "\ud800" * 5, "12345678"])
async def test_works_as_hard_for_nobody_and_for_impossible_passwords(
    password: str, compared: list[bytes]
) -> None:
    hashed = bcrypt.hashpw(b"12345678", bcrypt.gensalt(4)).decode()
    assert not await verify(password, None)
    assert compared == [STAND_IN]
    assert await verify(password, hashed) is (password == "12345678")
    assert compared == [STAND_IN, hashed.encode()]


def test_the_stand_in_costs_what_a_real_hash_costs() -> None:
    assert STAND_IN.startswith(b"$2b$12$")
    assert len(STAND_IN) == 60


async def test_the_event_loop_goes_on_meanwhile() -> None:
    async def ticks(until: Awaitable[str]) -> int:
        task, count = asyncio.ensure_future(until), 0
        while not task.done():
            await asyncio.sleep(0.001)
            count += 1
        return count

    assert await ticks(hash_password("12345678")) > 20


async def test_refuses_more_than_may_wait_and_takes_some_again_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 1)
    threads, free = passwords._Threads(), threading.Event()
    inside = [asyncio.ensure_future(threads.run(free.wait)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await threads.run(free.wait)
    free.set()
    assert await asyncio.gather(*inside) == [True] * 3
    assert await threads.run(free.wait)
