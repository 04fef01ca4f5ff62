from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ops.access import GivenToken
from ops.client import Client
from ops.uploading.file import read_file
from ops.uploading.memory import Remembered
from ops.uploading.parts import send_parts
from ops.uploading.sending import Wanted, begin_upload
from tests.ops.cli.conftest import BARE, ROOT, MiB
from tests.product import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ops.cli.conftest import Command
    from tests.product import Product

NAMED = """
query ($name: String!) {
  datasets(filter: {nameContains: $name}) {
    totalCount nodes { name description status rowCount fileSizeBytes department { code } }
  }
}
"""


def csv_file(path: Path, size: int) -> Path:
    """A CSV of about this size that no other test has sent."""
    known = random.Random(str(path))  # noqa: S311 (it guards nothing)
    lines = (
        f"{known.getrandbits(40):013d},{known.getrandbits(40):012x}\n" for _ in range(size // 27)
    )
    path.write_text("number,word\n" + "".join(lines))
    return path


def upload(
    command: Command,
    served: Product,
    path: Path,
    *words: str,
    env: dict[str, str],
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    given = ("--department", "sales", "--server", served.url, *words)
    done = command("upload", str(path), *given, env=env, stdin=stdin)
    assert "Traceback" not in done.stderr
    return done


async def named(served: Product, name: str) -> dict[str, Any]:
    token = await served.token("admin@aetherflow.local")
    found: dict[str, Any] = (await served.data(NAMED, {"name": name}, token=token))["datasets"]
    return found


async def test_uploads_follows_and_sums_up(
    command: Command,
    served: Product,
    variables: dict[str, str],
    cache: dict[str, str],
    tmp_path: Path,
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("article,amount\nshoe,3\nhat\ncoat,5\n")
    words = ("--name", "Orders of March", "--description", "By hand.", "--as")
    done = upload(command, served, path, *words, "sales@aetherflow.local", env=variables | cache)
    assert done.returncode == 0, done.stderr
    assert "3 rows read: 2 kept, 1 rejected." in done.stdout
    assert "article" in done.stdout
    assert "bigint" in done.stdout
    found = await named(served, "Orders of March")
    assert found["nodes"] == [
        {
            "name": "Orders of March",
            "description": "By hand.",
            "status": "COMPLETED",
            "rowCount": 2,
            "fileSizeBytes": path.stat().st_size,
            "department": {"code": "sales"},
        }
    ]
    assert not list((tmp_path / "cache").rglob("*.*"))

    again = upload(command, served, path, "--as", "sales@aetherflow.local", env=variables | cache)
    assert again.returncode == 1
    assert "Orders of March" in again.stderr
    assert "(DUPLICATE)" in again.stderr


async def test_goes_on_with_the_parts_that_are_missing(
    command: Command,
    served: Product,
    cache: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = await asyncio.to_thread(csv_file, tmp_path / "parts.csv", 12 * MiB)
    monkeypatch.setenv("XDG_CACHE_HOME", cache["XDG_CACHE_HOME"])
    token = await served.token("sales@aetherflow.local")
    file = read_file(path, lambda _size: None)
    async with Client(served.url, GivenToken(token)) as client, httpx.AsyncClient() as http:
        begun = await begin_upload(client, file, Wanted("sales"))
        assert [(part.number, part.start) for part in begun.missing] == [
            (1, 0),
            (2, 5 * MiB),
            (3, 10 * MiB),
        ]
        await send_parts(http, path, begun.missing[1:2], lambda _size: None)
        resumed = await begin_upload(client, file, Wanted("sales"))
        assert resumed.id == begun.id
        assert [part.number for part in resumed.missing] == [1, 3]

    env = cache | {"AETHERFLOW_TOKEN": token}
    done = await asyncio.to_thread(upload, command, served, path, env=env)
    assert done.returncode == 0, done.stderr
    assert "Going on with the upload that was interrupted." in done.stdout
    found = await named(served, "parts.csv")
    assert found["totalCount"] == 1
    assert found["nodes"][0]["status"] == "COMPLETED"
    assert found["nodes"][0]["rowCount"] == path.read_text().count("\n") - 1
    assert Remembered(served.url, "sales", file.sha256).upload_id() is None


async def test_begins_anew_where_the_remembered_upload_is_over(
    served: Product, cache: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache["XDG_CACHE_HOME"])
    path = csv_file(tmp_path / "anew.csv", 1000)
    file = read_file(path, lambda _size: None)
    token = await served.token("sales@aetherflow.local")
    async with Client(served.url, GivenToken(token)) as client:
        begun = await begin_upload(client, file, Wanted("sales"))
        abort = "mutation ($id: ID!) { abortUpload(input: {uploadId: $id}) { upload { status } } }"
        await client.ask(abort, {"id": begun.id})
        anew = await begin_upload(client, file, Wanted("sales"))
    assert anew.id != begun.id
    assert Remembered(served.url, "sales", file.sha256).upload_id() == anew.id


def test_signs_in_with_a_password(
    command: Command, served: Product, cache: dict[str, str], tmp_path: Path
) -> None:
    path = csv_file(tmp_path / "password.csv", 1000)
    words = ("--email", "sales@aetherflow.local", "--password-stdin")
    wrong = upload(command, served, path, *words, env=cache, stdin="not the password\n")
    assert wrong.returncode == 1
    assert "UNAUTHENTICATED" in wrong.stderr
    assert "not the password" not in wrong.stderr

    right = upload(command, served, path, *words, env=cache, stdin=f"{PASSWORD}\n")
    assert right.returncode == 0, right.stderr


def test_goes_on_after_ctrl_c(
    command: Command,
    served: Product,
    variables: dict[str, str],
    cache: dict[str, str],
    tmp_path: Path,
) -> None:
    path = csv_file(tmp_path / "stopped.csv", 40 * MiB)
    env = variables | cache
    words = ["upload", str(path), "--department", "sales", "--server", served.url]
    words += ["--as", "sales@aetherflow.local"]
    with subprocess.Popen(
        [sys.executable, "-m", "ops", *words],
        cwd=ROOT,
        env=BARE | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not list((tmp_path / "cache").rglob("uploads/*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.startswith("aetherflow: stopped. ")
    assert "Traceback" not in told

    done = command(*words, env=env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--department", "supply", "--token", "{token}"), "NOT_FOUND"),
        (("--department", "sales", "--token", "stolen"), "UNAUTHENTICATED"),
        (("--department", "sales"), "nobody is signed in"),
        (("--department", "sales", "--password-stdin"), "--email"),
        (("--department", "sales", "--token", "{token}", "--server", "127.0.0.1"), "address"),
        (
            ("--department", "sales", "--token", "{token}", "--server", "http://127.0.0.1:1"),
            "does not answer",
        ),
    ],
)
async def test_says_why_nothing_was_uploaded(
    command: Command,
    served: Product,
    cache: dict[str, str],
    tmp_path: Path,
    words: tuple[str, ...],
    says: str,
) -> None:
    token = await served.token("sales@aetherflow.local")
    path = csv_file(tmp_path / "refused.csv", 1000)
    given = [word.format(token=token) for word in words]
    server = () if "--server" in given else ("--server", served.url)
    done = await asyncio.to_thread(command, "upload", str(path), *given, *server, env=cache)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert token not in done.stderr
    assert (await named(served, "refused.csv"))["totalCount"] == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.csv", None, "there is no file"),
        ("empty.csv", b"", "is empty"),
        ("tune.mp3", b"notes", "can't be ingested"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG"),
    ],
)
async def test_says_what_is_wrong_with_the_file(
    command: Command,
    served: Product,
    cache: dict[str, str],
    tmp_path: Path,
    name: str,
    content: bytes | None,
    says: str,
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    token = await served.token("sales@aetherflow.local")
    env = cache | {"AETHERFLOW_TOKEN": token}
    done = await asyncio.to_thread(upload, command, served, path, env=env)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
