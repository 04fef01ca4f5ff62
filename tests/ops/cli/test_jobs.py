"""`aetherflow jobs`, beside a running product."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.graph.uploads import Client

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.ops.cli.conftest import Command
    from tests.product import Product

    Jobs = Callable[..., subprocess.CompletedProcess[str]]

START = "mutation ($input: StartJobInput!) { startJob(input: $input) { job { id } } }"


@pytest.fixture
def jobs(command: Command, served: Product, variables: dict[str, str]) -> Jobs:
    """Runs the word as somebody of sales, unless another is named."""

    def run(*words: str, account: str = "sales") -> subprocess.CompletedProcess[str]:
        signed = ("--as", f"{account}@aetherflow.local", "--server", served.url)
        done = command("jobs", *words, *signed, env=variables)
        assert "Traceback" not in done.stderr
        return done

    return run


async def dataset(served: Product, name: str, content: bytes, jobs: int) -> tuple[str, str]:
    """Brings a file, and gives its dataset and its first job, once all its jobs have ended."""
    client = Client(served, await served.token("sales@aetherflow.local"), "sales")
    key = await client.upload(name, content)
    found = await client.ended(key, jobs=jobs)
    return key, found["jobs"]["nodes"][0]["id"]


async def test_lists_jobs_by_where_they_stand(served: Product, jobs: Jobs) -> None:
    _, good = await dataset(served, "listed.csv", b"a,b\n1,listed\n", 2)
    _, bad = await dataset(served, "listed.json", b'[{"listed"', 1)
    everything = jobs("list", "--limit", "100", account="admin")
    assert everything.returncode == 0, everything.stderr
    assert good in everything.stdout
    assert "listed.csv" in everything.stdout
    failed = jobs("list", "--status", "failed")
    assert bad in failed.stdout
    assert "UNREADABLE" in failed.stdout
    assert good not in failed.stdout
    # Its file is to blame, so it needs no operator.
    assert bad not in jobs("list", "--trouble", "dead").stdout


async def test_shows_nothing_of_another_department(served: Product, jobs: Jobs) -> None:
    _, job = await dataset(served, "theirs.csv", b"a,b\n1,theirs\n", 2)
    assert job not in jobs("list", "--limit", "100", account="supply").stdout
    refused = jobs("cancel", job, account="supply")
    assert refused.returncode == 1
    assert "NOT_FOUND" in refused.stderr


async def test_follows_a_job_to_its_end_and_says_by_its_exit_how_it_ended(
    served: Product, jobs: Jobs
) -> None:
    key, good = await dataset(served, "followed.csv", b"a,b\n1,followed\n", 2)
    token = await served.token("sales@aetherflow.local")
    given = {"datasetId": key, "jobType": "ETL"}
    started = await served.data(START, {"input": given}, token=token)
    done = await asyncio.to_thread(jobs, "follow", started["startJob"]["job"]["id"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split()[3] == "succeeded"
    assert jobs("follow", good).returncode == 0


async def test_retries_what_failed_and_cancels_nothing_that_has_ended(
    served: Product, jobs: Jobs
) -> None:
    _, bad = await dataset(served, "again.json", b'[{"again"', 1)
    again = jobs("retry", bad)
    assert again.returncode == 0, again.stderr
    new = again.stdout.strip()
    assert new != bad
    failed = jobs("follow", new)
    assert (failed.returncode, "failed" in failed.stdout) == (1, True)
    refused = jobs("cancel", new)
    assert refused.returncode == 1
    assert "CONFLICT" in refused.stderr


def test_refuses_what_it_can_t_understand(jobs: Jobs) -> None:
    assert jobs("list", "--limit", "0").returncode == 2
    assert jobs("list", "--status", "lost").returncode == 2
    assert jobs("list", "--status", "failed", "--trouble", "dead").returncode == 2
    assert jobs("follow", "nonsense").returncode == 1
