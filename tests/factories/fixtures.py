"""Fixtures for those who test against rows; a folder's conftest names the ones that it wants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from domain.database import Database
from tests.conftest import copy_database
from tests.factories.databases import connected, drop_database
from tests.factories.rows import Rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from domain.settings import Settings
    from tests.conftest import Servers


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The database as the application has it: its own role, through the pool."""
    opened = Database(settings)
    await opened.open()
    yield opened
    # A connection that a failed test kept would be waited for without end.
    async with asyncio.timeout(10):
        await opened.close()


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[Any]:
    """A connection of the owner's, which sees and may do everything."""
    assert settings.owner_database_url
    async with connected(settings.owner_database_url.get_secret_value()) as connection:
        yield connection


@pytest.fixture
def rows(owner: Any) -> Rows:
    """Makes rows in any department."""
    return Rows(owner)


def own_database(
    servers: Servers, process_number: int, settings: Settings, name: str
) -> Iterator[Settings]:
    """Settings of a migrated database that no other module's tests touch; it is dropped at last."""
    name = f"test_{process_number}_{name}"
    copy_database(servers, name)
    yield settings_of(servers, settings, name)
    drop_database(servers, name)


def settings_of(servers: Servers, settings: Settings, name: str) -> Settings:
    """The same settings for another database."""
    return settings.model_copy(
        update={
            "database_url": type(settings.database_url)(servers.database(servers.app_url, name)),
            "owner_database_url": type(settings.database_url)(
                servers.database(servers.owner_url, name)
            ),
        }
    )
