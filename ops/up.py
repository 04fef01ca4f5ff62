"""`aetherflow up`: everything on this machine, started in order, kept running, stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from ops.environment import leave_environment, remove_environment
from ops.servers.embedded import EmbeddedServers
from ops.servers.errors import ServerFailed
from ops.servers.folder import DataFolder, holder_of_port, port_refusal
from ops.servers.process import ChildProcess
from ops.servers.s3 import BUCKET, REGION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT = Path(__file__).resolve().parent.parent
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 (names to compare with, not addresses to listen on)
STEADY_SECONDS = 60
LONGEST_PAUSE_SECONDS = 30
PARTS_STOP_SECONDS = 30  # a worker lets its jobs go on for 20
# Only the migrations and the first users are made as the owner of the database.
OWNERS = "AETHERFLOW_OWNER_DATABASE_URL"


def run_up(data_dir: Path, host: str, port: int) -> int:
    """Starts all that is not given by the environment, says "ready", and runs until a signal.

    Returns 0 after SIGINT, SIGTERM or SIGHUP, and 1 with a sentence when something can't start.
    """
    try:
        asyncio.run(_until_told(data_dir, host, port))
    except ServerFailed as fault:
        print(f"aetherflow: {fault}", file=sys.stderr, flush=True)
        return 1
    return 0


async def _until_told(data_dir: Path, host: str, port: int) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    folder = DataFolder(data_dir, address=_url(host, port))
    try:
        _require_port(host, port)
        _require_companions()
        running = asyncio.create_task(_run(folder, host, port))
        waiting = asyncio.create_task(told.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not running.done():
            _say("stopping")
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        _say("stopped")
    finally:
        folder.close()


def _require_port(host: str, port: int) -> None:
    refusal = port_refusal(host, port)
    if refusal is None:
        return
    if refusal.errno == errno.EADDRINUSE:
        message = (
            f"port {port} is in use by {holder_of_port(port)}. End it, or choose another port: "
            f"./aetherflow up --port {port + 1}"
        )
    else:
        message = f"{host} port {port} can't be listened on: {refusal.strerror}."
    raise ServerFailed(message)


def _require_companions() -> None:
    """Raises ServerFailed when an address is given without what is needed to use it."""
    if "AETHERFLOW_DATABASE_URL" in os.environ and OWNERS not in os.environ:
        message = (
            f"AETHERFLOW_DATABASE_URL is set, so {OWNERS} is needed too: the same database's "
            "address as its owner, who runs the migrations."
        )
        raise ServerFailed(message)
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    if "AETHERFLOW_S3_ENDPOINT_URL" in os.environ and not keys <= os.environ.keys():
        message = (
            f"AETHERFLOW_S3_ENDPOINT_URL is set, so {' and '.join(sorted(keys))} are needed too."
        )
        raise ServerFailed(message)


async def _run(folder: DataFolder, host: str, port: int) -> None:
    began = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        servers = EmbeddedServers(
            folder,
            postgres="AETHERFLOW_DATABASE_URL" not in os.environ,
            redis="AETHERFLOW_REDIS_URL" not in os.environ,
            s3="AETHERFLOW_S3_ENDPOINT_URL" not in os.environ,
            host=host,
            buckets=[os.environ.get("AETHERFLOW_S3_BUCKET", BUCKET)],
        )
        stack.push_async_callback(servers.stop)
        await servers.start()
        env = _environment(folder, servers, host)
        password = await _prepare(folder, env)
        stack.callback(remove_environment, folder.path)
        made = {name: value for name, value in env.items() if os.environ.get(name) != value}
        made.pop("PYTHONPATH")
        leave_environment(folder.path, made)

        parts = {
            "api": ["api", "--host", host, "--port", str(port)],
            "worker": ["worker"],
        }
        theirs = {name: value for name, value in env.items() if name != OWNERS}
        starts: dict[ChildProcess, Callable[[], Awaitable[None]]] = {
            server.child: server.start for server in servers.all
        }
        for name, words in parts.items():
            child = ChildProcess(folder, name, stop_seconds=PARTS_STOP_SECONDS)
            stack.push_async_callback(child.stop)
            starts[child] = _starter(child, words, theirs, _url(host, port))
        # Both take a second or two to import what they need, and neither needs the other.
        await asyncio.gather(*(starts[child]() for child in starts if child.name in parts))
        _greet(folder, servers, _url(host, port), password, time.monotonic() - began)
        _note(folder).unlink(missing_ok=True)
        await asyncio.gather(*(_keep(child, start) for child, start in starts.items()))


def _starter(
    child: ChildProcess, words: list[str], env: dict[str, str], url: str
) -> Callable[[], Awaitable[None]]:
    async def answers() -> bool:
        return "is ready" in child.told() if child.name == "worker" else await _answers(url)

    async def start() -> None:
        await child.start([sys.executable, "-m", "ops", *words], cwd=ROOT, env=env)
        await child.ready(answers)

    return start


def _environment(folder: DataFolder, servers: EmbeddedServers, host: str) -> dict[str, str]:
    """Returns the variables for our own parts."""
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH")]))
    env.setdefault("AETHERFLOW_ENVIRONMENT", "development")
    env.setdefault("AETHERFLOW_SECRET_KEY", folder.secret("secret_key"))
    if "AETHERFLOW_SMTP_URL" not in env:
        env.setdefault("AETHERFLOW_MAIL_FOLDER", str(folder.path / "mail"))
    env.setdefault("AETHERFLOW_S3_BUCKET", BUCKET)
    env.setdefault("AETHERFLOW_S3_REGION", REGION)
    if servers.postgres:
        env["AETHERFLOW_DATABASE_URL"] = servers.postgres.url("aetherflow_app")
        env[OWNERS] = servers.postgres.url("aetherflow_owner")
    if servers.redis:
        env["AETHERFLOW_REDIS_URL"] = servers.redis.url()
    if servers.s3:
        env["AETHERFLOW_S3_ENDPOINT_URL"] = servers.s3.endpoint_url
        env["AWS_ACCESS_KEY_ID"] = servers.s3.access_key
        env["AWS_SECRET_ACCESS_KEY"] = servers.s3.secret_key
        env.pop("AWS_SESSION_TOKEN", None)
        # A proxy that this machine uses for others would look for the server at itself.
        direct = env.get("no_proxy") or env.get("NO_PROXY")
        address = urlsplit(servers.s3.endpoint_url).hostname
        env["no_proxy"] = env["NO_PROXY"] = ",".join(filter(None, [direct, address]))
    if host in EVERYWHERE and servers.s3 and "AETHERFLOW_S3_PUBLIC_URL" not in env:
        _say(
            "uploads from other machines go straight to S3: set AETHERFLOW_S3_PUBLIC_URL to "
            f"http://<this machine>:{servers.s3.port} for them"
        )
    return env


async def _prepare(folder: DataFolder, env: dict[str, str]) -> str | None:
    """Migrates and makes the first users in a process of its own, whose memory is then free again.

    Returns the password that was made, by this start or by one that was stopped before it could
    tell it; None when there is none to tell. Raises ServerFailed.
    """
    log = folder.log("prepare")
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ops.prepare",
            str(_note(folder)),
            cwd=ROOT,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=file,
        )
        try:
            await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if process.returncode:
        lines = "\n    ".join(log.read_text(errors="replace").splitlines()[-12:])
        message = f"the database could not be brought up to date. The end of {log}:\n    {lines}"
        raise ServerFailed(message)
    note = _note(folder)
    return note.read_text() if note.exists() else None


def _note(folder: DataFolder) -> Path:
    return folder.path / "first-password"


async def _answers(url: str) -> bool:
    """Tells whether the API executes a query."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        try:
            answer = await client.post(f"{url}/graphql", json={"query": "{ __typename }"})
        except httpx.TransportError:
            return False
    return answer.is_success


async def _keep(child: ChildProcess, start: Callable[[], Awaitable[None]]) -> None:
    """Starts a child again whenever it ends, after a pause that doubles while it keeps ending."""
    pause = 1
    while True:
        began = time.monotonic()
        await child.ended()
        if time.monotonic() - began > STEADY_SECONDS:
            pause = 1
        _say(child.complaint(f"ended (exit {child.exit_code}); it starts again in {pause} s"))
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        try:
            await start()
        except ServerFailed as fault:
            _say(str(fault))


def _url(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in EVERYWHERE else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _greet(
    folder: DataFolder, servers: EmbeddedServers, url: str, password: str | None, seconds: float
) -> None:
    names = ", ".join(server.child.name for server in servers.all)
    _say(f"ready in {seconds:.1f} s")
    print(f"  GraphiQL     {url}/graphiql")
    print(f"  GraphQL      {url}/graphql")
    print(f"  data, logs   {folder.path}{f' ({names} run here)' if names else ''}")
    print("  sign in as   admin@, sales@, supply@ or finance@aetherflow.local")
    told = f"{password}   (made now, shown this once)" if password else "that of the first start"
    print(f"  password     {told}")
    print("Ctrl-C stops everything.", flush=True)


def _say(text: str) -> None:
    print(f"aetherflow: {text}", flush=True)
