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
    """A database whose jobs the product's worker runs: it would take those of other tests."""
    yield from own_database(servers, process_number, settings, "graph")


@pytest.fixture(scope="session")
def served(settings: Settings) -> Iterator[product.Product]:
    """An API and a worker on this process's database, where admin@, sales@, supply@ and finance@
    sign in with the one password.
    """
    assert settings.owner_database_url is not None
    asyncio.run(bootstrap(settings.owner_database_url.get_secret_value(), product.PASSWORD))
    with product.running(settings) as running:
        yield running
