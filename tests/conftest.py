"""Real servers for the whole run: one PostgreSQL, one Redis and one S3 in a temporary folder.

Started once, by the process that shares the tests out when there are several. Each process that
runs tests has its own database (a copy of a migrated one), its own Redis number and its own bucket.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from pydantic import SecretStr

from domain.settings import Settings
from ops.migrate import upgrade
from ops.servers.embedded import EmbeddedServers
from ops.servers.folder import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = 16  # as many numbers as Redis has databases


@dataclass(frozen=True)
class Servers:
    """Addresses of the run's servers, the credentials in them."""

    superuser_url: str
    owner_url: str
    app_url: str
    redis_url: str
    s3_endpoint_url: str
    s3_access_key: str
    s3_secret_key: str

    def database(self, url: str, name: str) -> str:
        """Returns the address with another database's name."""
        return urlsplit(url)._replace(path=f"/{name}").geturl()


def start_servers(config: pytest.Config) -> Servers:
    """Starts the servers, migrates the database that others are copied from, and sees to the end.

    To be called in the main thread: the servers end with the thread that started them.
    """
    home = Path(tempfile.mkdtemp(prefix="aetherflow-tests-"))
    folder = DataFolder(home)
    embedded = EmbeddedServers(
        folder, durable=False, buckets=[f"test-{number}" for number in range(PROCESSES)]
    )

    def stop() -> None:
        asyncio.run(embedded.stop())
        folder.close()
        shutil.rmtree(home, ignore_errors=True)

    config.add_cleanup(stop)
    asyncio.run(embedded.start())
    postgres, redis, s3 = embedded.postgres, embedded.redis, embedded.s3
    assert postgres
    assert redis
    assert s3
    upgrade(postgres.url("aetherflow_owner"))
    return Servers(
        superuser_url=postgres.url(database="postgres"),
        owner_url=postgres.url("aetherflow_owner"),
        app_url=postgres.url("aetherflow_app"),
        redis_url=redis.url(),
        s3_endpoint_url=s3.endpoint_url,
        s3_access_key=s3.access_key,
        s3_secret_key=s3.secret_key,
    )


class SharesServers:
    """In the process that shares the tests out: starts the servers before the first other one."""

    def __init__(self) -> None:
        self.servers: Servers | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        self.servers = self.servers or start_servers(node.config)
        node.workerinput["servers"] = asdict(self.servers)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SharesServers())


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[Servers]:
    """The run's servers; AWS's variables hold the credentials of its S3."""
    shared = getattr(pytestconfig, "workerinput", {}).get("servers")
    found = Servers(**shared) if shared else start_servers(pytestconfig)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", found.s3_access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", found.s3_secret_key)
        yield found


@pytest.fixture(scope="session")
def process_number(pytestconfig: pytest.Config) -> int:
    """The number of this process among those that run tests, from 0."""
    name = getattr(pytestconfig, "workerinput", {}).get("workerid", "gw0")
    return int(name.removeprefix("gw"))


def copy_database(servers: Servers, name: str) -> None:
    """Makes a database of this name, in place of an older one, as the migrations leave it."""

    async def copy() -> None:
        connection = await asyncpg.connect(servers.superuser_url)
        try:
            await connection.execute(f"drop database if exists {name} with (force)")
            await connection.execute(
                f"create database {name} template aetherflow owner aetherflow_owner"
            )
        finally:
            await connection.close()

    asyncio.run(copy())


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int) -> Settings:
    """Settings of this process: a freshly migrated database, a Redis number and a bucket."""
    name = f"test_{process_number}"
    copy_database(servers, name)
    return Settings(
        environment="development",
        database_url=SecretStr(servers.database(servers.app_url, name)),
        owner_database_url=SecretStr(servers.database(servers.owner_url, name)),
        redis_url=SecretStr(servers.database(servers.redis_url, str(process_number))),
        s3_endpoint_url=servers.s3_endpoint_url,
        s3_bucket=f"test-{process_number}",
        secret_key=SecretStr("a secret of the tests, long enough"),
    )
