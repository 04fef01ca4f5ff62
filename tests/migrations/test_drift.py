from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from domain.models import Base
from tests.factories.databases import connected, drop_database, make_empty_database
from tests.factories.tables import MODELS
from tests.migrations.catalog import COLUMNS, CONSTRAINTS, INDEXES, described

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from domain.settings import Settings
    from tests.conftest import Servers


def in_engine(url: str, run: Any) -> Any:
    async def inside() -> Any:
        engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://"), poolclass=NullPool
        )
        async with engine.begin() as connection:
            result = await connection.run_sync(run)
        await engine.dispose()
        return result

    return asyncio.run(inside())


@pytest.fixture(scope="module")
def from_models(servers: Servers, process_number: int) -> Iterator[str]:
    """A database that the models made by themselves."""
    name = f"test_{process_number}_drift"
    url = make_empty_database(servers, name)
    in_engine(url, Base.metadata.create_all)
    yield url
    drop_database(servers, name)


@pytest.fixture(scope="module")
def migrated(settings: Settings) -> str:
    assert settings.owner_database_url
    return settings.owner_database_url.get_secret_value()


def differences(connection: Connection) -> list[Any]:
    def mine(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name != "alembic_version"

    context = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "compare_server_default": True, "include_name": mine},
    )
    return list(compare_metadata(context, Base.metadata))


def test_alembic_finds_nothing_to_migrate(migrated: str) -> None:
    assert MODELS
    assert in_engine(migrated, differences) == []


def test_alembic_would_find_a_column_that_no_migration_made(from_models: str) -> None:
    def with_one_more(connection: Connection) -> list[Any]:
        nested = connection.begin_nested()
        connection.execute(text("alter table datasets add column forgotten text"))
        found = differences(connection)
        nested.rollback()
        return found

    (difference,) = in_engine(from_models, with_one_more)
    assert difference[0] == "remove_column"


@pytest.mark.parametrize(
    "query", [COLUMNS, CONSTRAINTS, INDEXES], ids=["columns", "constraints", "indexes"]
)
async def test_models_and_migrations_make_the_same(
    from_models: str, migrated: str, query: str
) -> None:
    async with connected(from_models) as modelled, connected(migrated) as made:
        expected, found = await described(modelled, query), await described(made, query)
    assert expected
    assert found == expected
