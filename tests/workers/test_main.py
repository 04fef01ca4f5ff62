from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ops.bell import redis_settings
from tests.product import ROOT, environment
from tests.workers.test_runner import ended, queued
from workers.main import serve
from workers.runner import Runner

if TYPE_CHECKING:
    from pathlib import Path

    from domain.settings import Settings
    from tests.domain.jobs.conftest import Desk


async def test_a_part_that_ends_by_itself_ends_the_worker(
    settings: Settings, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(_runner: Runner) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Runner, "look_again_and_again", look)
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="ended by itself") as fault:
            await serve(settings, desk.bell, redis_settings(settings), tmp_path)
    assert isinstance(fault.value.__cause__, ZeroDivisionError)


async def test_a_worker_that_is_told_to_stop_ends_in_order(
    settings: Settings, desk: Desk, tmp_path: Path
) -> None:
    """A process of its own: it works until SIGTERM, and leaves nothing behind it."""
    variables = environment(settings) | {"TMPDIR": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "ops", "worker"], cwd=ROOT, env=variables, stderr=log
        )
        try:
            # What has no file fails soon, and so shows that the worker works.
            dataset = await desk.rows.dataset(desk.department_id, desk.person.id)
            job = await queued(desk, dataset_id=dataset.id)
            assert (await ended(desk, job, "failed")).error_code == "NOT_FOUND"
            os.kill(worker.pid, signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait, 20) == 0
        finally:
            worker.kill()
            worker.wait()
    told = (tmp_path / "log").read_text()
    assert "stops" in told
    assert "Traceback" not in told
