"""Folders for servers of the tests' own, apart from the run's shared ones."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from ops.servers.folder import DataFolder

if TYPE_CHECKING:
    from collections.abc import Iterator


def alive(process: psutil.Process) -> bool:
    """Tells whether a process runs; one that nobody has collected yet does not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    """A data folder; as root it lies below one that other accounts can't enter."""
    tmp_path.chmod(0o700)
    made = DataFolder(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every account may enter."""
    path = Path(tempfile.mkdtemp(prefix="aetherflow-open-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def ordinary() -> pwd.struct_passwd:
    """An account that is not root's, for tests that need root to become it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another account; the other tests run as an ordinary user")
    return pwd.getpwnam("nobody")
