"""`aetherflow up` as a stranger starts it: a process of its own, real servers, a free port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import asyncpg
import httpx
import psutil
import pytest

from ops.environment import running_environment
from ops.servers.account import Account
from tests.ops.conftest import alive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pwd import struct_passwd

    from domain.settings import Settings
    from tests.conftest import Servers

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
BARE = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("AETHERFLOW_", "AWS_", "PYTEST_"))
}


@dataclass
class Run:
    """One `aetherflow up` and what it has printed."""

    process: subprocess.Popen[str]
    data_dir: Path
    port: int
    printed: list[str] = field(default_factory=list)

    def wait_for(self, words: str, seconds: float = PATIENCE) -> None:
        """Reads on until a line with these words comes; kills the run when it takes too long."""
        assert self.process.stdout
        watch = Timer(seconds, self.process.kill)
        watch.start()
        for line in self.process.stdout:
            self.printed.append(line)
            if words in line:
                watch.cancel()
                return
        watch.cancel()
        raise AssertionError("".join(self.printed))

    def parts(self) -> list[psutil.Process]:
        """The processes below it, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, *words: str) -> psutil.Process:
        """Its part that was started with these words."""
        return next(part for part in self.parts() if set(words) <= set(part.cmdline()))

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends a signal and waits for the end."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def command(data_dir: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "ops", "up", "--data-dir", str(data_dir), "--port", str(port)]


@contextmanager
def up(data_dir: Path, env: dict[str, str] = BARE, account: Account | None = None) -> Iterator[Run]:
    port = free_port()
    with subprocess.Popen(
        command(data_dir, port),
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    ) as process:
        run = Run(process, data_dir, port)
        try:
            run.wait_for("Ctrl-C stops everything")
            yield run
        finally:
            if process.poll() is None:
                run.stop()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with up(tmp_path_factory.mktemp("up") / "data") as started:
        yield started


def ask(run: Run) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{run.port}/graphql", json={"query": "{ __typename }"})


def test_says_where_it_is_and_how_to_sign_in(run: Run) -> None:
    told = "".join(run.printed)
    assert f"http://127.0.0.1:{run.port}/graphiql" in told
    assert "sales@" in told
    assert "password" in told
    assert "shown this once" in told
    assert ask(run).json() == {"data": {"__typename": "Query"}}


def test_tells_the_first_password_though_a_start_was_stopped_before(tmp_path: Path) -> None:
    """With a proxy for other machines in its environment, which must not be asked for our own."""
    data, env = tmp_path / "data", {**BARE, "http_proxy": "http://127.0.0.1:9"}
    with subprocess.Popen(
        command(data, free_port()),
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as first:
        deadline = time.monotonic() + PATIENCE
        while not (data / "first-password").exists():
            assert time.monotonic() < deadline
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        printed, _ = first.communicate(timeout=PATIENCE)
    assert "password" not in printed
    assert stat.S_IMODE((data / "first-password").stat().st_mode) == 0o600
    with up(data, env) as second:
        (line,) = [line for line in second.printed if "shown this once" in line]
        login = "mutation ($i: LoginInput!) { login(input: $i) { viewer { user { email } } } }"
        given = {"email": "sales@aetherflow.local", "password": line.split()[1]}
        answer = httpx.post(
            f"http://127.0.0.1:{second.port}/graphql",
            json={"query": login, "variables": {"i": given}},
        )
        assert answer.json()["data"]["login"]["viewer"]["user"]["email"] == given["email"]
        assert not (data / "first-password").exists()


def test_refuses_a_second_run_in_its_folder(run: Run) -> None:
    again = subprocess.run(
        command(run.data_dir, free_port()),
        check=False,
        cwd=ROOT,
        env=BARE,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert again.returncode == 1
    assert f"already (process {run.process.pid}, http://127.0.0.1:{run.port})" in again.stderr
    assert "Traceback" not in again.stderr


def test_says_who_has_its_port_and_starts_nothing(run: Run, tmp_path: Path) -> None:
    other = subprocess.run(
        command(tmp_path / "data", run.port),
        check=False,
        cwd=ROOT,
        env=BARE,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert other.returncode == 1
    api = run.part("api").pid
    assert f"port {run.port} is in use by" in other.stderr
    assert f"(process {api})" in other.stderr
    assert f"--port {run.port + 1}" in other.stderr
    assert not (tmp_path / "data/postgres").exists()


async def test_leaves_its_variables_to_the_other_words(run: Run) -> None:
    variables = running_environment(run.data_dir)
    mode = (run.data_dir / "environment.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    connection = await asyncpg.connect(variables["AETHERFLOW_DATABASE_URL"])
    assert await connection.fetchval("select current_user") == "aetherflow_app"
    await connection.close()


def test_keeps_the_owner_s_address_from_its_parts(run: Run) -> None:
    for part in (run.part("api"), run.part("worker")):
        assert "AETHERFLOW_DATABASE_URL" in part.environ()
        assert "AETHERFLOW_OWNER_DATABASE_URL" not in part.environ()


def test_starts_a_part_again_that_ended(run: Run) -> None:
    before = run.part("api")
    before.kill()
    run.wait_for("api ended (exit -9)")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            assert ask(run).is_success
            break
        except httpx.TransportError:
            time.sleep(0.1)
    assert run.part("api").pid != before.pid


def test_idles_below_800_megabytes(run: Run) -> None:
    everything = [psutil.Process(run.process.pid), *run.parts()]
    assert sum(process.memory_full_info().pss for process in everything) < 800_000_000


def test_stops_all_and_is_ready_again_within_ten_seconds(tmp_path: Path) -> None:
    with up(tmp_path / "data") as first:
        parts = first.parts()
        assert first.stop() == 0
        assert not [part for part in parts if alive(part)]
        assert not running_environment(tmp_path / "data")
    began = time.monotonic()
    with up(tmp_path / "data") as second:
        assert time.monotonic() - began < 10
        assert "that of the first start" in "".join(second.printed)
        assert second.stop(signal.SIGTERM) == 0


def test_stops_while_it_is_starting(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(tmp_path / "data", free_port()), cwd=ROOT, env=BARE, stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "data/logs/postgres.log").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        parts = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert not [part for part in parts if alive(part)]


def test_starts_again_after_it_was_killed(tmp_path: Path) -> None:
    with up(tmp_path / "data") as first:
        parts = first.parts()
        first.process.kill()
        first.process.wait()
    with up(tmp_path / "data") as second:
        assert ask(second).is_success
        assert not [part for part in parts if alive(part)]


def test_runs_on_servers_from_outside(settings: Settings, servers: Servers, tmp_path: Path) -> None:
    assert settings.owner_database_url
    given = {
        "AETHERFLOW_DATABASE_URL": settings.database_url.get_secret_value(),
        "AETHERFLOW_OWNER_DATABASE_URL": settings.owner_database_url.get_secret_value(),
        "AETHERFLOW_REDIS_URL": settings.redis_url.get_secret_value(),
        "AETHERFLOW_S3_ENDPOINT_URL": servers.s3_endpoint_url,
        "AETHERFLOW_S3_BUCKET": settings.s3_bucket,
        "AWS_ACCESS_KEY_ID": servers.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": servers.s3_secret_key,
    }
    with up(tmp_path / "data", BARE | given) as run:
        assert ask(run).is_success
        assert not list(tmp_path.glob("data/postgres"))
        assert not list(tmp_path.glob("data/s3"))


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"AETHERFLOW_DATABASE_URL": "postgresql://a@b/c"}, "AETHERFLOW_OWNER_DATABASE_URL"),
        ({"AETHERFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:1"}, "AWS_ACCESS_KEY_ID"),
    ],
)
def test_says_what_an_address_from_outside_needs_with_it(
    given: dict[str, str], missing: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(tmp_path / "data", free_port()),
        check=False,
        cwd=ROOT,
        env=BARE | given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert f"{missing}" in done.stderr
    assert "needed too" in done.stderr


def test_runs_as_an_ordinary_user(open_folder: Path, ordinary: struct_passwd) -> None:
    account = Account(ordinary.pw_name, ordinary.pw_uid, ordinary.pw_gid)
    if not account.can_run(Path(sys.executable)):
        pytest.skip(f"{account.name} can't reach {sys.executable}, which this test is about")
    account.own(open_folder)
    env = BARE | {"HOME": str(open_folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with up(open_folder / "data", env, account) as run:
        assert ask(run).is_success
        assert {part.username() for part in run.parts()} == {account.name}


@pytest.mark.soak
def test_comes_to_ready_from_a_fresh_copy_without_node(tmp_path: Path) -> None:
    """The README's quick start as a stranger gives it: the environment and the pages are made."""
    made = shutil.ignore_patterns(".git", ".venv", ".aetherflow", "node_modules", "dist", "*cache*")
    copy = shutil.copytree(ROOT, tmp_path / "aetherflow", ignore=made)
    system = tmp_path / "bin"
    system.mkdir()
    for program in ("sh", "env", "python3"):
        found = shutil.which(program, path=f"{Path(sys.base_prefix, 'bin')}:{os.defpath}")
        assert found
        (system / program).symlink_to(found)
    port = free_port()
    with subprocess.Popen(
        [copy / "aetherflow", "up", "--data-dir", tmp_path / "data", "--port", str(port)],
        cwd=tmp_path,
        env=BARE | {"PATH": str(system)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        run = Run(process, tmp_path / "data", port)
        run.wait_for("Ctrl-C stops everything", seconds=900)
        page = httpx.get(f"http://127.0.0.1:{port}/graphiql")
        assert page.is_success
        assert "<script" in page.text
        assert run.stop() == 0
