"""The running product on a database of its own, whose every row can be compared: no other test's
uploads are swept in it meanwhile.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from domain.identity.tokens import Tokens
from domain.storage import Storage
from tests import product
from tests.factories.fixtures import own_database, owner, rows
from tests.graph.uploads import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

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
    return await member_of_new_department(rows, "editor")


@pytest.fixture
async def client(served: Product, person: Person) -> Client:
    return client_of(served, person)


@pytest.fixture
async def stranger(served: Product, rows: Rows) -> Client:
    """A manager of another department."""
    return client_of(served, await member_of_new_department(rows, "manager"))


@pytest.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    """The bucket, as one who holds its keys has it."""
    opened = Storage(settings)
    await opened.open()
    yield opened
    await opened.close()


async def member_of_new_department(rows: Rows, role: str) -> Person:
    department = await rows.department()
    person = await rows.person(department, roles=(role,))
    await rows.workspace(department, person.id, is_default=True)
    return person


def client_of(served: Product, person: Person) -> Client:
    token, _ = Tokens(served.settings).access(person.id, person.session_id)
    return Client(served, token)


@contextmanager
def stopped_worker(served: Product) -> Iterator[None]:
    """Between uploading and validating lies as much time as one likes."""
    os.kill(served.worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(served.worker.pid, signal.SIGCONT)
