from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from domain.catalog.models import Dataset
from graph.loaders import Loaders

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reading:
    """Stands for the snapshot; what is loaded here comes from the batches alone."""


def loaders() -> Loaders:
    reading: Any = Reading()
    return Loaders(reading, {})


async def doubled(_reads: Any, keys: list[Any]) -> Mapping[Any, Any]:
    await asyncio.sleep(0.01)
    return {key: key * 2 for key in keys}


async def test_gathers_the_keys_of_one_level_into_one_call() -> None:
    asked: list[list[Any]] = []

    async def noted(_reads: Any, keys: list[Any]) -> Mapping[Any, Any]:
        asked.append(keys)
        return {key: key * 2 for key in keys}

    made = loaders()
    found = await asyncio.gather(*(made.by(noted, key) for key in (1, 2, 1, 3)))
    assert found == [2, 4, 2, 6]
    assert asked == [[1, 2, 3]]


@pytest.mark.parametrize("first", ["before the call", "during the call"])
async def test_a_cancelled_field_takes_no_field_along_that_asks_for_the_same(first: str) -> None:
    """A null that may not be has the executor cancel what runs beside it, and that alone."""
    made = loaders()
    cancelled = asyncio.create_task(made.by(doubled, 7))
    sibling = asyncio.create_task(made.by(doubled, 7))
    await asyncio.sleep(0 if first == "before the call" else 0.005)
    cancelled.cancel()
    assert await sibling == 14
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await made.by(doubled, 7) == 14


async def test_a_key_that_is_none_needs_no_call() -> None:
    assert await loaders().one(Dataset, None) is None
