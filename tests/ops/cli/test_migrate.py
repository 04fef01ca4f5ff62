from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.factories.databases import connected, drop_database, make_empty_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.conftest import Servers
    from tests.ops.cli.conftest import Command


@pytest.fixture
def empty(
    servers: Servers, process_number: int, variables: dict[str, str]
) -> Iterator[dict[str, str]]:
    """The variables of a database in which nothing is."""
    name = f"test_{process_number}_migrate"
    url = make_empty_database(servers, name)
    yield variables | {"AETHERFLOW_OWNER_DATABASE_URL": url}
    drop_database(servers, name)


def tables(variables: dict[str, str]) -> set[str]:
    async def found() -> set[str]:
        async with connected(variables["AETHERFLOW_OWNER_DATABASE_URL"]) as connection:
            rows = await connection.fetch(
                "select tablename from pg_tables where schemaname = 'public'"
            )
            return {row.tablename for row in rows}

    return asyncio.run(found())


def told(done: CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_goes_forward_and_back(command: Command, empty: dict[str, str]) -> None:
    assert told(command("migrate", "--to", "0001", env=empty)) == "The database is at 0001.\n"
    assert "users" in tables(empty)
    assert "jobs" not in tables(empty)

    first = command("migrate", env=empty)
    assert first.returncode == 0
    assert "jobs" in tables(empty)
    last = told(first).removeprefix("The database is at ").removesuffix(".\n")
    assert told(command("migrate", env=empty)) == f"The database is at {last} already.\n"

    refused = command("migrate", "--to", "0001", env=empty)
    assert refused.returncode == 1
    assert "add --back" in told(refused)
    assert "jobs" in tables(empty)

    assert told(command("migrate", "--to", "0001", "--back", env=empty)) == (
        "The database is at 0001.\n"
    )
    assert "jobs" not in tables(empty)
    gone = command("migrate", "--to", "base", "--back", env=empty)
    assert told(gone) == "The database is at its beginning, without tables.\n"
    assert tables(empty) == {"alembic_version"}


def test_says_that_there_is_no_such_revision(command: Command, empty: dict[str, str]) -> None:
    done = command("migrate", "--to", "9999", env=empty)
    assert done.returncode == 1
    assert "9999" in told(done)


def test_says_that_the_database_does_not_answer(
    command: Command, variables: dict[str, str]
) -> None:
    away = {"AETHERFLOW_OWNER_DATABASE_URL": "postgresql://o:hush@127.0.0.1:1/aetherflow"}
    done = command("migrate", env=variables | away)
    assert done.returncode == 1
    assert "does not answer" in told(done)
    assert "hush" not in told(done)


def test_needs_the_owner_s_address(command: Command, variables: dict[str, str]) -> None:
    without = {k: v for k, v in variables.items() if k != "AETHERFLOW_OWNER_DATABASE_URL"}
    done = command("migrate", env=without)
    assert done.returncode == 1
    assert "AETHERFLOW_OWNER_DATABASE_URL is not set" in told(done)
