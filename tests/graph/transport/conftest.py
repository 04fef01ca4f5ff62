"""A server that each test has for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.graph.transport.schema import Ledger
from tests.graph.transport.serving import Served, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def served(ledger: Ledger) -> AsyncIterator[Served]:
    async with serving(ledger=ledger) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client
