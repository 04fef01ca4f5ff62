"""The running product, with the first users in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from domain.bootstrap import bootstrap
from tests import product
from tests.factories.fixtures import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.settings import Settings
    from tests.conftest import Servers


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """A database with the first accounts, whose jobs the product's worker alone runs: it would take
    those of other tests.
    """
    for own in own_database(servers, process_number, settings, "graph"):
        assert own.owner_database_url is not None
        asyncio.run(bootstrap(own.owner_database_url.get_secret_value(), product.PASSWORD))
        yield own


@pytest.fixture(scope="session")
def served(settings: Settings) -> Iterator[product.Product]:
    """An API and a worker, where admin@, sales@, supply@ and finance@aetherflow.local sign in."""
    with product.running(settings) as running:
        yield running
