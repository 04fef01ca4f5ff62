from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ops.failure import CommandFailed
from ops.worker import job_root

if TYPE_CHECKING:
    from pathlib import Path


def test_has_one_folder_of_its_own_for_job_directories(tmp_path: Path) -> None:
    root = job_root(tmp_path)
    assert root == job_root(tmp_path)
    assert root.stat().st_mode & 0o777 == 0o700
    assert root.stat().st_uid == os.getuid()


def test_refuses_a_folder_that_others_may_enter(tmp_path: Path) -> None:
    job_root(tmp_path).chmod(0o755)
    with pytest.raises(CommandFailed, match="TMPDIR"):
        job_root(tmp_path)


def test_refuses_a_link_that_somebody_has_put_there(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"aetherflow-jobs-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandFailed, match="TMPDIR"):
        job_root(tmp_path)


def test_refuses_the_folder_of_another_account(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to another account")
    os.chown(job_root(tmp_path), 65534, 65534)
    with pytest.raises(CommandFailed, match="TMPDIR"):
        job_root(tmp_path)
