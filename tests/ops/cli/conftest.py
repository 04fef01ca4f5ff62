"""The command as people type it: a process of its own, beside a running product."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from domain.bootstrap import bootstrap
from tests import product
from tests.factories.fixtures import own_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from domain.settings import Settings
    from tests.conftest import Servers

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 120
MiB = 1024 * 1024

BARE = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("AETHERFLOW_", "AWS_", "PYTEST_", "FORWARDED_"))
}


class Command(Protocol):
    """Runs the command to its end."""

    def __call__(
        self, *words: str, env: dict[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs it with these words and exactly these variables."""


@pytest.fixture(scope="session")
def command() -> Command:
    """Runs the command; without ``env`` nothing of AetherFlow is set."""

    def run(
        *words: str, env: dict[str, str] | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "ops", *words],
            cwd=ROOT,
            env=BARE | (env or {}),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def settings(servers: Servers, process_number: int, settings: Settings) -> Iterator[Settings]:
    """A database with the first accounts; files above 1 MiB are sent in parts of 5 MiB."""
    small = {"upload_single_bytes": MiB, "upload_part_bytes": 5 * MiB}
    smaller = settings.model_copy(update=small)
    for own in own_database(servers, process_number, smaller, "cli"):
        assert own.owner_database_url is not None
        asyncio.run(bootstrap(own.owner_database_url.get_secret_value(), product.PASSWORD))
        yield own


@pytest.fixture(scope="session")
def served(settings: Settings) -> Iterator[product.Product]:
    """The running product."""
    with product.running(settings) as running:
        yield running


@pytest.fixture(scope="session")
def variables(settings: Settings) -> dict[str, str]:
    """The variables that the product runs with."""
    return {
        name: value
        for name, value in product.environment(settings).items()
        if name.startswith(("AETHERFLOW_", "AWS_"))
    }


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    """The variable that gives the command a cache directory of the test's own."""
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}
