"""Row-level security is forced on the owner and the definer too; policies let them through."""

from __future__ import annotations

import asyncio
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ops.servers.postgres import programs
from tests.factories.databases import connected
from tests.factories.realms import Realm, realm_of
from tests.factories.rows import Rows
from tests.migrations.policies import CHANGES

if TYPE_CHECKING:
    from domain.settings import Settings


@pytest.fixture(scope="module")
def realm(settings: Settings) -> Realm:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()

    async def make() -> Realm:
        async with connected(url) as connection:
            return await realm_of(connection, "ours", await Rows(connection).department())

    return asyncio.run(make())


@pytest.mark.parametrize("table", [t for t in CHANGES if t != "audit_logs"])
async def test_the_owner_fills_in_a_new_column(owner: Any, realm: Realm, table: str) -> None:
    keys = [row.id for row in realm.rows[table]]
    transaction = owner.transaction()
    await transaction.start()
    changed = await owner.execute(
        f"update {table} set {CHANGES[table]} where id = any ($1)",  # noqa: S608
        keys,
    )
    await transaction.rollback()
    assert changed == f"UPDATE {len(keys)}"


@pytest.mark.parametrize("table", ["users", "sessions", "departments", "user_departments", "jobs"])
async def test_the_definer_sees_every_row(owner: Any, realm: Realm, table: str) -> None:
    keys = [row.id for row in realm.rows[table]]
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("set local role aetherflow_definer")
    seen = await owner.fetchval(
        f"select count(*) from {table} where id = any ($1)",  # noqa: S608
        keys,
    )
    await transaction.rollback()
    assert seen == len(keys)


async def test_the_owner_dumps_every_row(settings: Settings, owner: Any, realm: Realm) -> None:
    assert settings.owner_database_url
    url = settings.owner_database_url.get_secret_value()
    command = [str(programs(None) / "pg_dump"), "--enable-row-security", "--inserts", url]
    dump = await asyncio.to_thread(
        subprocess.run, command, check=True, capture_output=True, text=True
    )
    assert dump.stderr == ""
    for table, found in realm.rows.items():
        total = await owner.fetchval(f"select count(*) from {table}")  # noqa: S608
        # A partition's rows are dumped with the partition.
        name = rf"(public\.{table}|partitions\.{table}_\d+)"
        written = re.findall(rf"^INSERT INTO {name} ", dump.stdout, re.MULTILINE)
        assert len(written) == total, table
        assert str(found[0].id) in dump.stdout
