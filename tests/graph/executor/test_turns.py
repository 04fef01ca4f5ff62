"""Long columns leave the event loop to others between their steps."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

from graphql import build_schema

from tests.graph.executor.asking import executed

SCHEMA = build_schema("""
    type Query { items: [Item!]! }
    type Item { a: Int! b: String c: Float child: Item }
""")
ROWS = 40_000
ROOT: Any = {
    "items": [{"a": n, "b": str(n), "c": n / 2, "child": {"a": n, "b": "x"}} for n in range(ROWS)]
}


async def test_others_have_their_turn_while_a_long_list_is_answered() -> None:
    turns = 0
    longest = 0.0

    async def beside() -> None:
        nonlocal turns, longest
        while True:
            # This thread's own time: other programs of a busy machine count for nothing.
            started = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - started)
            turns += 1

    task = asyncio.create_task(beside())
    await asyncio.sleep(0)
    # What other tests have left behind is not searched for garbage meanwhile.
    gc.disable()
    try:
        started = time.thread_time()
        result, tally = await executed(SCHEMA, "{ items { a b c child { a b } } }", ROOT)
        spent = time.thread_time() - started
    finally:
        gc.enable()
        task.cancel()
    assert result.data is not None
    assert len(result.data["items"]) == ROWS
    assert tally.fallbacks == 0
    assert turns > 50
    # A step of one column of 40,000 values is the longest; the whole would be one otherwise.
    assert longest < spent / 5
