"""What the README has a newcomer type works, word for word but for address and password."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from domain.bootstrap import bootstrap
from tests import product
from tests.clients.conftest import HERE, node
from tests.factories.fixtures import own_database
from tests.graph.uploads import FINAL
from tests.ops.cli.conftest import BARE, PATIENCE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from domain.settings import Settings
    from tests.conftest import Servers
    from tests.product import Product

__all__ = ["node"]

README = (ROOT / "README.md").read_text()


def block(language: str, holding: str = "") -> str:
    """The one block of a language with these words in it."""
    fenced = README.split("```")[1::2]
    blocks = [each.split("\n", 1) for each in fenced]
    (found,) = [text for named, text in blocks if named == language and holding in text]
    return found


@pytest.fixture(scope="module")
def fresh(servers: Servers, process_number: int, settings: Settings) -> Iterator[Product]:
    """A product as `up` leaves it: a newcomer's database, and no other setting."""
    usual = {
        name: type(settings).model_fields[name].default
        for name in ("upload_single_bytes", "upload_part_bytes")
    }
    plain = settings.model_copy(update=usual)
    for own in own_database(servers, process_number, plain, "readme"):
        assert own.owner_database_url is not None
        owner_url = own.owner_database_url.get_secret_value()
        asyncio.run(bootstrap(owner_url, product.PASSWORD))
        with product.running(own) as running:
            yield running


def placed(script: str, fresh: Product) -> str:
    """The script with the address and the password of this run."""
    assert "http://127.0.0.1:8000" in script
    script = script.replace("http://127.0.0.1:8000", fresh.url)
    return script.replace("the password that up printed", product.PASSWORD)


async def settled(fresh: Product, token: str) -> dict[str, Any]:
    """The answer of the README's query, once no job is under way."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await fresh.ask(block("graphql", "viewer { user"), token=token)
            assert "errors" not in answer, answer
            nodes = answer["data"]["datasets"]["nodes"]
            jobs = nodes[0]["jobs"]["nodes"] if nodes else []
            # What follows a job is queued by the commit that ends it.
            if jobs and all(job["status"] in FINAL for job in jobs):
                return answer
            await asyncio.sleep(0.2)


async def test_uploads_with_curl_and_answers_as_it_says(fresh: Product) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euo", "pipefail", "-c", placed(block("bash"), fresh)],
        cwd=ROOT,
        env=BARE,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    completed = json.loads(done.stdout)["data"]["completeUpload"]
    assert completed["job"]["jobType"] == "VALIDATION"
    answer = await settled(fresh, await fresh.token("sales@aetherflow.local"))
    assert answer == json.loads(block("json", "totalCount"))


async def test_follows_with_the_script(fresh: Product, node: Path, tmp_path: Path) -> None:
    script = HERE / f"follow-{tmp_path.name}.mjs"
    script.write_text(block("js"))
    token = await fresh.token("sales@aetherflow.local")
    address = f"{fresh.url}/graphql".replace("http", "ws", 1)
    process = await asyncio.create_subprocess_exec(
        node,
        script,
        env={**os.environ, "TOKEN": token, "URL": address},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        await asyncio.sleep(2)
        path = tmp_path / "follow.csv"
        path.write_text("number\n1\n2\n")
        await product_upload(fresh, path, token)
        told = ""
        async with asyncio.timeout(PATIENCE):
            while "Done: 2 rows read, 2 kept, 0 rejected." not in told:
                told += (await process.stdout.readline()).decode()
        assert told.count("Validated: 2 of 2 rows can be kept.") == 1
        cursors = re.findall(r"cursor: '(.+)'", told)
        assert len(cursors) == len(set(cursors)) > 4
    finally:
        process.kill()
        await process.wait()
        script.unlink()


async def product_upload(fresh: Product, path: Path, token: str) -> None:
    """Uploads with the README's own word."""
    (line,) = re.findall(r"^\./aetherflow upload (.+)$", block("", "--as sales@"), re.MULTILINE)
    words = line.replace("tests/data/sales_online_retail.csv", str(path)).split()
    given = words[: words.index("--as")]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "ops", "upload", *given, "--server", fresh.url],
        cwd=ROOT,
        env=BARE | {"AETHERFLOW_TOKEN": token, "XDG_CACHE_HOME": str(path.parent)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def test_follows_an_event_stream_with_curl(fresh: Product) -> None:
    token = await fresh.token("sales@aetherflow.local")
    line = placed(block("", "curl -N "), fresh).replace("curl -N", "curl -sN --max-time 3 -i")
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", line],
        env=BARE | {"TOKEN": token},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    # 28 is curl's word for its time being up: the stream was open until then.
    assert done.returncode == 28
    assert "HTTP/1.1 200" in done.stdout
    assert "content-type: text/event-stream" in done.stdout.lower()
    assert '"errors"' not in done.stdout


async def test_shows_operators_their_queue_as_it_says(fresh: Product) -> None:
    token = await fresh.token("admin@aetherflow.local")
    answer = await fresh.ask(block("graphql", "oldestWaitingAt"), token=token)
    assert "errors" not in answer, answer
    queues = answer["data"]["queue"]["departments"]
    assert "sales" in {queue["department"]["code"] for queue in queues}
    refusal = await fresh.refusal(
        block("graphql", "oldestWaitingAt"), token=await fresh.token("sales@aetherflow.local")
    )
    assert refusal["extensions"]["code"] == "FORBIDDEN"
