from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from ops.migrate import downgrade, upgrade
from tests.factories.databases import connected, drop_database, make_empty_database
from tests.migrations.catalog import everything

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Servers

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"
REVISIONS = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))


@pytest.fixture
def empty(servers: Servers, process_number: int) -> Iterator[str]:
    name = f"test_{process_number}_history"
    yield make_empty_database(servers, name)
    drop_database(servers, name)


def found(url: str) -> dict[str, dict[str, str]]:
    async def look() -> dict[str, dict[str, str]]:
        async with connected(url) as connection:
            return await everything(connection)

    return asyncio.run(look())


def test_goes_up_from_nothing_down_to_nothing_and_up_again(empty: str) -> None:
    nothing = found(empty)
    upgrade(empty)
    first = found(empty)
    assert first["columns"]
    downgrade(empty, "base")
    assert found(empty) == nothing
    upgrade(empty)
    assert found(empty) == first


def test_each_revision_goes_back_to_the_one_before(empty: str) -> None:
    before = {}
    for revision in REVISIONS:
        before[revision] = found(empty)
        upgrade(empty, revision)
    for revision, previous in zip(REVISIONS[::-1], [*REVISIONS[-2::-1], "base"], strict=True):
        downgrade(empty, previous)
        assert found(empty) == before[revision], revision


def test_goes_up_over_rows_that_are_there(empty: str) -> None:
    async def seeded() -> list[str]:
        async with connected(empty) as connection:
            return [row.code for row in await connection.fetch("select code from departments")]

    upgrade(empty, "0001")
    assert sorted(asyncio.run(seeded())) == ["company", "finance", "sales", "supply"]
    upgrade(empty)
    assert sorted(asyncio.run(seeded())) == ["company", "finance", "sales", "supply"]


def test_two_that_start_at_once_migrate_once(empty: str) -> None:
    command = [sys.executable, "-c", f"from ops.migrate import upgrade; upgrade({empty!r})"]
    started = [
        subprocess.Popen(
            command, cwd=MIGRATIONS.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    for process in started:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output.decode()


def test_gives_up_on_a_lock_that_it_does_not_get(empty: str) -> None:
    async def migrate_beside_a_long_transaction() -> None:
        async with connected(empty) as connection, connection.transaction():
            await connection.execute("lock table users in share row exclusive mode")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await asyncio.to_thread(upgrade, empty, "0002")

    upgrade(empty, "0001")
    before = found(empty)
    asyncio.run(migrate_beside_a_long_transaction())
    assert found(empty) == before


def test_imports_nothing_of_what_will_change() -> None:
    for path in MIGRATIONS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            assert not tops & {"domain", "graph", "workers", "ops"}, path
