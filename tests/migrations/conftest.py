"""A database apart from the running product's, and the makers of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.factories.fixtures import database, own_database, owner, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.settings import Settings
    from tests.conftest import Servers

__all__ = ["database", "owner", "rows"]


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """No worker runs on this database, so what a test queues stays queued."""
    yield from own_database(servers, process_number, settings, "migrations")
