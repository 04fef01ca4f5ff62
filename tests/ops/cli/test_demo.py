"""The demo as a newcomer runs it: beside a running product, and on its own."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest

from domain.bootstrap import bootstrap
from ops.access import LocalAccount
from ops.cli import INTERRUPTED
from ops.client import Client
from ops.demo.files import FILES
from ops.demo.run import denied
from ops.environment import leave_environment
from ops.failure import CommandFailed
from tests import product
from tests.factories.databases import connected
from tests.factories.fixtures import own_database
from tests.ops.cli.conftest import BARE, PATIENCE, ROOT
from tests.ops.cli.test_processes import free_port
from tests.ops.cli.test_readme import block

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.ops.cli.conftest import Command
    from tests.product import Product

DEMO_SECONDS = 90

DATASETS = "{ datasets { nodes { id name status department { code } } } }"

RENAME = """
mutation ($id: ID!) { updateDataset(input: {datasetId: $id, name: "Renamed"}) { dataset { name } } }
"""


def left_of(folder: Path) -> list[psutil.Process]:
    """The processes that have a folder in their command."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in str(p.info["cmdline"])]


@pytest.fixture(scope="module")
def fresh(servers: Servers, process_number: int, settings: Settings) -> Iterator[Product]:
    """A product to which nobody has brought anything."""
    for own in own_database(servers, process_number, settings, "demo"):
        assert own.owner_database_url is not None
        asyncio.run(bootstrap(own.owner_database_url.get_secret_value(), product.PASSWORD))
        with product.running(own) as running:
            yield running


@pytest.fixture
def words(fresh: Product, tmp_path: Path) -> list[str]:
    """The command, in a folder that says what an `up` there would say of the product."""
    named = product.environment(fresh.settings)
    variables = {n: v for n, v in named.items() if n.startswith(("AETHERFLOW_", "AWS_"))}
    leave_environment(tmp_path, variables)
    return ["demo", "--data-dir", str(tmp_path), "--port", str(urlsplit(fresh.url).port)]


async def forget_insights(fresh: Product, department: str) -> None:
    assert fresh.settings.owner_database_url is not None
    async with connected(fresh.settings.owner_database_url.get_secret_value()) as owner:
        await owner.execute(
            "update results set deleted_at = now() where department_id = "
            "(select id from departments where code = $1)",
            department,
        )


async def test_shows_three_departments_and_twice_without_harm(
    fresh: Product, command: Command, words: list[str], cache: dict[str, str]
) -> None:
    first = await asyncio.to_thread(command, *words, env=cache)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("This runs on the `up` in ")
    assert block("text") in first.stdout
    assert first.stdout.count(" is stopped again") == 0
    for department in FILES:
        assert f"{department}@aetherflow.local brings {FILES[department]}." in first.stdout
    token = await fresh.token("admin@aetherflow.local")
    brought = (await fresh.data(DATASETS, token=token))["datasets"]["nodes"]
    assert {(d["department"]["code"], d["name"], d["status"]) for d in brought} == {
        (department, name, "COMPLETED") for department, name in FILES.items()
    }

    second = await asyncio.to_thread(command, *words, env=cache)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("These bytes are here already.") == len(FILES)
    assert block("text") in second.stdout
    assert (await fresh.data(DATASETS, token=token))["datasets"]["nodes"] == brought

    # Under another name they are found only because the product refuses them; and an insight that
    # is gone is made again.
    (sales,) = [d["id"] for d in brought if d["department"]["code"] == "sales"]
    await fresh.data(RENAME, {"id": sales}, token=token)
    await forget_insights(fresh, "supply")
    third = await asyncio.to_thread(command, *words, env=cache)
    assert third.returncode == 0, third.stderr
    assert "The department has this file already, as the dataset “Renamed”" in third.stdout
    assert "== sales: Renamed, 8,254 rows" in third.stdout
    assert "supply   Explaining 100 %  Done: 57.6 % of 10,000 deliveries are late." in third.stdout
    assert third.stdout.count("These bytes are here already.") == 2

    # Whoever sees all departments would be shown what the demo says is hidden.
    account = LocalAccount(fresh.settings, "admin@aetherflow.local")
    async with Client(fresh.url, account) as client:
        with pytest.raises(CommandFailed, match="which it must not"):
            await denied(client, "admin", "sales", sales)


def test_says_why_it_can_start_nothing(command: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command("demo", "--data-dir", str(tmp_path / "data"), "--port", port)
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "`up` could not start." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_what_it_had_started_when_it_is_told_to_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    words = ["demo", "--data-dir", str(tmp_path / "data"), "--port", str(free_port())]
    with subprocess.Popen(
        [sys.executable, "-m", "ops", *words], cwd=ROOT, env=BARE, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        while "brings" not in demo.stdout.readline():
            assert demo.poll() is None
        demo.send_signal(number)
        demo.communicate(timeout=PATIENCE)
        assert demo.returncode == INTERRUPTED
    assert not left_of(tmp_path)


@pytest.mark.soak
def test_starts_all_that_it_needs_and_ends_it_in_time(
    tmp_path: Path, cache: dict[str, str]
) -> None:
    port = str(free_port())
    for began_with in ("object storage", "here already"):
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "ops", "demo", "--data-dir", tmp_path / "data", "--port", port],
            cwd=ROOT,
            env=BARE | cache,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert time.monotonic() - began < DEMO_SECONDS
        assert done.stdout.count(began_with) == len(FILES)
        assert block("text") in done.stdout
        assert " is stopped again" in done.stdout
    assert not left_of(tmp_path)
