from __future__ import annotations

import asyncio

from graph.transport.outbox import Outbox


async def test_gives_messages_in_order() -> None:
    outbox = Outbox(10, 100)
    for message in (b"a", b"b", b"c"):
        await outbox.put(message)
    assert [await outbox.get() for _ in range(3)] == [b"a", b"b", b"c"]


async def test_get_waits_for_a_message() -> None:
    outbox = Outbox(10, 100)
    getting = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert not getting.done()
    await outbox.put(b"a")
    assert await getting == b"a"


async def test_put_waits_while_it_is_full_of_messages() -> None:
    outbox = Outbox(2, 100)
    await outbox.put(b"a")
    await outbox.put(b"b")
    putting = [asyncio.create_task(outbox.put(message)) for message in (b"c", b"d")]
    await asyncio.sleep(0)
    assert not any(task.done() for task in putting)
    assert not outbox.offer(b"e")
    assert [await outbox.get(), await outbox.get()] == [b"a", b"b"]
    await asyncio.gather(*putting)
    assert [await outbox.get(), await outbox.get()] == [b"c", b"d"]


async def test_put_waits_while_it_is_full_of_bytes_but_takes_one_long_message() -> None:
    outbox = Outbox(10, 5)
    await outbox.put(b"much longer than five")
    putting = asyncio.create_task(outbox.put(b"b"))
    await asyncio.sleep(0)
    assert not putting.done()
    await outbox.get()
    await putting


async def test_drop_forgets_one_sender_and_makes_room() -> None:
    outbox = Outbox(2, 100)
    await outbox.put(b"a", "one")
    await outbox.put(b"b", "two")
    putting = asyncio.create_task(outbox.put(b"c", "two"))
    await asyncio.sleep(0)
    outbox.drop("one")
    await putting
    assert [await outbox.get(), await outbox.get()] == [b"b", b"c"]


async def test_put_last_waits_until_nothing_else_does() -> None:
    outbox = Outbox(10, 100)
    await outbox.put(b"a")
    putting = asyncio.create_task(outbox.put_last(b"b"))
    await asyncio.sleep(0)
    assert not putting.done()
    assert await outbox.get() == b"a"
    await putting
    assert await outbox.get() == b"b"
