from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import aioboto3
import asyncpg
import httpx
import psutil
import pytest
import redis.asyncio
from botocore.config import Config

from ops.servers.account import dropped_to, unprivileged_account
from ops.servers.embedded import EmbeddedServers
from ops.servers.errors import ServerFailed
from ops.servers.folder import DataFolder
from ops.servers.postgres import Postgres
from ops.servers.redis import Redis
from ops.servers.s3 import S3
from tests.ops.conftest import alive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pwd import struct_passwd

ROOT = Path(__file__).resolve().parents[3]


def s3_client(server: S3) -> Any:
    return aioboto3.Session().client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4"),
    )


class Server(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


AnyServer = TypeVar("AnyServer", bound=Server)


@asynccontextmanager
async def running(server: AnyServer) -> AsyncIterator[AnyServer]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def fetch(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_finds_all_data_again_at_the_second_start(folder: DataFolder) -> None:
    postgres, redis_server, s3 = Postgres(folder), Redis(folder), S3(folder)
    async with running(postgres), running(redis_server), running(s3):
        owner = postgres.url("aetherflow_owner")
        await fetch(owner, "create table kept as select 7 as value")
        async with redis.asyncio.Redis.from_url(redis_server.url()) as client:
            await client.set("kept", "7")
        async with s3_client(s3) as client:
            await client.put_object(Bucket="aetherflow", Key="a/kept", Body=b"7")
    assert not (folder.path / "postgres/data/postmaster.pid").exists()
    addresses = [postgres.url(), redis_server.url(), s3.endpoint_url]

    postgres, redis_server, s3 = Postgres(folder), Redis(folder), S3(folder)
    async with running(postgres), running(redis_server), running(s3):
        assert [postgres.url(), redis_server.url(), s3.endpoint_url] == addresses
        assert await fetch(owner, "select value from kept") == 7
        async with redis.asyncio.Redis.from_url(redis_server.url()) as client:
            assert await client.get("kept") == b"7"
        async with s3_client(s3) as client:
            kept = await client.get_object(Bucket="aetherflow", Key="a/kept")
            assert await kept["Body"].read() == b"7"


async def test_lets_nobody_in_without_credentials(folder: DataFolder) -> None:
    postgres, redis_server, s3 = Postgres(folder), Redis(folder), S3(folder)
    async with running(postgres), running(redis_server), running(s3):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.url().replace(folder.secret("postgres"), "guess"))
        bare = redis_server.url().replace(f":{folder.secret('redis')}@", "")
        async with redis.asyncio.Redis.from_url(bare) as client:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await client.ping()
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{s3.endpoint_url}/aetherflow")
            assert answer.is_client_error


async def test_shows_no_secret_in_the_list_of_processes(folder: DataFolder) -> None:
    postgres, redis_server, s3 = Postgres(folder), Redis(folder), S3(folder)
    async with running(postgres), running(redis_server), running(s3):
        children = [postgres.child, redis_server.child, s3.child]
        words = [word for child in children for word in psutil.Process(child.pid).cmdline()]
    secrets = json.loads((folder.path / "secrets.json").read_text())
    assert len(secrets) == 6
    assert not [name for name, value in secrets.items() if any(value[:20] in w for w in words)]


async def test_makes_the_roles_with_no_more_rights_than_they_need(folder: DataFolder) -> None:
    async with running(Postgres(folder)) as postgres:
        roles = await fetch(
            postgres.url(),
            "select array_agg(rolname || ' ' || rolcanlogin order by rolname) from pg_roles "
            "where rolname like 'aetherflow%' and not "
            "(rolsuper or rolcreatedb or rolcreaterole or rolbypassrls or rolreplication)",
        )
        assert roles == [
            "aetherflow_app true",
            "aetherflow_definer false",
            "aetherflow_owner true",
        ]
        owner = postgres.url("aetherflow_owner")
        assert await fetch(owner, "select pg_has_role('aetherflow_definer', 'set')") is True
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fetch(postgres.url("aetherflow_app"), "create table denied ()")


async def test_is_postgresql_18_with_one_order_of_text_everywhere(folder: DataFolder) -> None:
    async with running(Postgres(folder, durable=False)) as postgres:
        assert int(str(await fetch(postgres.url(), "show server_version_num"))) >= 180000
        order = "select array_agg(w order by w) from unnest(array['b', 'ä', 'B', 'a']) w"
        assert await fetch(postgres.url(), order) == ["B", "a", "b", "ä"]


async def test_syncs_to_disk_unless_told_otherwise(folder: DataFolder) -> None:
    async with running(Postgres(folder)) as postgres:
        assert await fetch(postgres.url(), "show fsync") == "on"
    async with running(Postgres(folder, durable=False)) as postgres:
        assert await fetch(postgres.url(), "show fsync") == "off"


async def test_runs_postgresql_as_another_account_under_root(
    folder: DataFolder, ordinary: struct_passwd
) -> None:
    async with running(Postgres(folder)) as postgres:
        server = psutil.Process(postgres.child.pid)
        for process in [server, *server.children()]:
            assert set(process.uids()) == {ordinary.pw_uid}
        assert Path(server.cwd()) == folder.path / "postgres/data"


async def test_starts_although_a_live_process_has_the_noted_number(folder: DataFolder) -> None:
    async with running(Postgres(folder)):
        pass
    note = folder.path / "postgres/data/postmaster.pid"
    account = dropped_to(unprivileged_account())
    with subprocess.Popen(["sleep", "60"], **account) as other:
        note.write_text(f"{other.pid}\n/proc/self/cwd\n1\n5432\n\n127.0.0.1\n")
        async with running(Postgres(folder)) as postgres:
            assert await fetch(postgres.url(), "select 1") == 1
        assert other.poll() is None
        other.kill()


async def test_begins_an_interrupted_first_start_anew(folder: DataFolder) -> None:
    (folder.path / "postgres/new/base").mkdir(parents=True)
    async with running(Postgres(folder)) as postgres:
        assert await fetch(postgres.url(), "select 1") == 1


async def test_takes_another_port_when_another_program_has_its_own(folder: DataFolder) -> None:
    async with running(Redis(folder)) as first:
        before = urlsplit(first.url()).port
    with socket.create_server(("127.0.0.1", before or 0)):
        async with running(Redis(folder)) as second:
            assert urlsplit(second.url()).port != before


async def test_removes_what_an_unfinished_upload_left(folder: DataFolder) -> None:
    left = folder.path / "s3/aetherflow/incoming/.rclone_temp_multipart_abc"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    async with running(S3(folder)):
        assert not left.exists()


async def test_lets_pages_of_other_origins_send_parts(folder: DataFolder) -> None:
    async with running(S3(folder)) as s3:
        async with s3_client(s3) as client:
            place = {"Bucket": "aetherflow", "Key": "from/a/page"}
            url = await client.generate_presigned_url("put_object", Params=place)
        async with httpx.AsyncClient() as client:
            answer = await client.put(url, content=b"7", headers={"Origin": "https://shop.example"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "ETag" in answer.headers["access-control-expose-headers"]


async def test_stops_the_others_when_one_fails(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.servers.redis.program", lambda: Path("/bin/false"))
    servers = EmbeddedServers(folder)
    with pytest.raises(ServerFailed, match="redis ended at its start"):
        await servers.start()
    assert [server.child.pid for server in servers.all] == [None, None, None]


SERVE = """
import asyncio, sys
from pathlib import Path
from ops.servers import process
from ops.servers.embedded import EmbeddedServers
from ops.servers.folder import DataFolder

async def serve():
    servers = EmbeddedServers(DataFolder(Path(sys.argv[1])))
    await servers.start()
    print(*(server.child.pid for server in servers.all), flush=True)
    await asyncio.sleep(600)

if sys.argv[2] == "deaf":
    process._libc = None
asyncio.run(serve())
"""


def killed_run(path: Path, how: str) -> list[psutil.Process]:
    """Starts the servers in another process, kills that, and gives the servers' processes."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, path, how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        children = [psutil.Process(int(pid)) for pid in run.stdout.readline().split()]
        assert len(children) == 3
        run.kill()
    return children


async def test_mends_itself_after_a_killed_run(tmp_path: Path) -> None:
    children = killed_run(tmp_path / "data", "told of its parent's death")
    folder = DataFolder(tmp_path / "data")
    async with EmbeddedServers(folder):
        assert not any(alive(child) for child in children)
    folder.close()


async def test_ends_servers_that_outlived_their_killed_run(tmp_path: Path) -> None:
    """As on a system that sends no signal at a parent's death."""
    children = killed_run(tmp_path / "data", "deaf")
    assert all(alive(child) for child in children)
    # PostgreSQL's is not noted, as if the run had been killed before it could be.
    notes = tmp_path / "data/processes.json"
    notes.write_text(notes.read_text().replace('"postgres"', '"another"'))
    folder = DataFolder(tmp_path / "data")
    async with EmbeddedServers(folder):
        assert not any(alive(child) for child in children)
    folder.close()
