"""The demo from its beginning to its end."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from ops.access import LocalAccount
from ops.client import Client, GraphRefused
from ops.configuration import settings_here
from ops.dashboards import QUERIES, query
from ops.demo.bringing import bring, insight_of
from ops.demo.files import FILES, unpacked
from ops.demo.insight import told
from ops.demo.own import own_up
from ops.demo.showing import SideBySide
from ops.environment import running_environment
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from rich.console import Console

DENIED = """
query Denied($id: ID!) {
  dataset(id: $id) { name }
  results(filter: {datasetId: $id}) { totalCount }
}
"""

START = """
mutation Start($input: StartJobInput!) { startJob(input: $input) { job { id } } }
"""


async def run_demo(console: Console, data_dir: Path, host: str, port: int) -> None:
    """Shows the product, on the `up` that runs in ``data_dir`` or on one of its own.

    Raises `CommandFailed`, also when a department sees what it should not.
    """
    demo = asyncio.current_task()
    assert demo is not None  # noqa: S101 (this runs in one)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # What it has started must not outlive it.
        asyncio.get_running_loop().add_signal_handler(number, demo.cancel)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    greeting: list[str] = []
    async with AsyncExitStack() as stack:
        if running_environment(data_dir) and await _answers(url):
            _say(console, f"This runs on the `up` in {data_dir}, at {url}.")
        else:
            _say(console, "Starting PostgreSQL, Redis, S3, the API and a worker ...")
            greeting = await stack.enter_async_context(own_up(data_dir, host, port))
        settings = settings_here(data_dir)
        clients = {}
        for name in FILES:
            account = LocalAccount(settings, f"{name}@aetherflow.local")
            await account.token()
            clients[name] = await stack.enter_async_context(Client(url, account))
        # A thread may still write there when the demo is told to end.
        unpacking = tempfile.TemporaryDirectory(
            prefix="aetherflow-demo-", ignore_cleanup_errors=True
        )
        folder = Path(stack.enter_context(unpacking))
        datasets = await _brought(console, clients, folder)
        for name, client in clients.items():
            await _show_insight(console, name, client, datasets[name])
        _head(console, "Who sees what")
        names = list(clients)
        for asking, owning in zip(names, [*names[1:], names[0]], strict=True):
            _say(console, await denied(clients[asking], asking, owning, datasets[owning]))
    _farewell(console, url, greeting)


async def _brought(console: Console, clients: dict[str, Client], folder: Path) -> dict[str, str]:
    _head(console, "Three departments, three files")
    for name, file in FILES.items():
        _say(console, f"{name}@aetherflow.local brings {file}.")
    with SideBySide(console, list(clients)) as shown:

        async def one(name: str) -> str:
            path = await asyncio.to_thread(unpacked, name, folder)
            return await bring(clients[name], name, path, shown.of(name))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(one(name)) for name in clients}
        except* CommandFailed as failed:
            raise failed.exceptions[0] from None
    return {name: task.result() for name, task in tasks.items()}


async def _show_insight(console: Console, name: str, client: Client, dataset_id: str) -> None:
    dataset_name, payload = await insight_of(client, dataset_id)
    _head(console, f"{name}: {dataset_name}, {payload['rows']:,} rows")
    for line in told(payload, plain=not console.is_terminal):
        _say(console, line)


async def denied(client: Client, asking: str, owning: str, dataset_id: str) -> str:
    """Asks for what is another department's, and says what came of it.

    Raises `CommandFailed` where anything did.
    """
    seen: dict[str, Any] = await client.ask(DENIED, {"id": dataset_id})
    given = {"datasetId": dataset_id, "jobType": "ETL"}
    try:
        await client.ask(START, {"input": given})
        code = "done"
    except GraphRefused as refused:
        code = refused.code
    if seen["dataset"] is not None or seen["results"]["totalCount"] or code != "NOT_FOUND":
        message = f"{asking} sees the dataset of {owning}, which it must not."
        raise CommandFailed(message)
    return (
        f"{asking:<8} asks for the dataset of {owning}: null. Its results: 0. A job on it: {code}."
    )


def _farewell(console: Console, url: str, greeting: list[str]) -> None:
    _head(console, "Go on by yourself")
    if greeting:
        _say(console, "What the demo had started is stopped again; `./aetherflow up` starts it")
        _say(console, "with all of this in it. Then:")
        for line in greeting:
            if line.startswith("  password"):
                _say(console, line)
    _say(console, f"  GraphiQL     {url}/graphiql")
    _say(console, f"  GraphQL      {url}/graphql")
    _say(console, "  sign in as   sales@, supply@ or finance@aetherflow.local, or as admin@, who")
    _say(console, "               sees all three")
    _say(console, "Three queries to paste there:")
    for title, name in QUERIES.items():
        _say(console, f"\n# {title}\n{query(name).rstrip()}")


def _head(console: Console, text: str) -> None:
    console.print(f"\n== {text}", style="bold", highlight=False, markup=False, soft_wrap=True)


def _say(console: Console, text: str) -> None:
    # What is said holds names and texts out of files: it is never markup.
    console.print(text, highlight=False, markup=False, soft_wrap=True)


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        try:
            answer = await client.post(f"{url}/graphql", json={"query": "{ __typename }"})
        except httpx.TransportError:
            return False
    return answer.is_success
