"""The running product on a database of its own, whose every row can be compared: no other test's
uploads are swept in it meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.identity.tokens import Tokens
from tests import product
from tests.factories.fixtures import own_database, owner, rows
from tests.graph.uploads import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.factories.rows import Person, Rows
    from tests.product import Product

__all__ = ["owner", "rows"]

MiB = 1024 * 1024


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    small = settings.model_copy(update={"child_memory_bytes": 512 * MiB})
    yield from own_database(servers, process_number, small, "bad_input")


@pytest.fixture(scope="session")
def served(settings: Settings) -> Iterator[Product]:
    with product.running(settings) as running:
        yield running


@pytest.fixture
async def person(rows: Rows) -> Person:
    """An editor in a department that nobody else is in."""
    department = await rows.department()
    editor = await rows.person(department, roles=("editor",))
    await rows.workspace(department, editor.id, is_default=True)
    return editor


@pytest.fixture
async def client(served: Product, person: Person) -> Client:
    return client_of(served, person)


@pytest.fixture
async def stranger(served: Product, rows: Rows) -> Client:
    """A manager of another department."""
    return client_of(served, await rows.person(await rows.department(), roles=("manager",)))


def client_of(served: Product, person: Person) -> Client:
    token, _ = Tokens(served.settings).access(person.id, person.session_id)
    return Client(served, token)
