"""The child that makes insights stays within a quarter of the memory that it may take."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.workers.insights.conftest import DATA, FILES
from workers.engines.etl import convert
from workers.engines.progress import Progress
from workers.engines.task import Request
from workers.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

MiB = 1 << 20


@pytest.mark.parametrize("department", FILES)
async def test_a_real_file_takes_little_memory(tmp_path: Path, department: str) -> None:
    limits = Limits(
        memory_bytes=512 * MiB, cpu_seconds=60, wall_seconds=60, file_bytes=64 * MiB, processes=64
    )
    sandbox = Sandbox(limits, tmp_path / "jobs")
    told: list[tuple[int, str]] = []
    async with sandbox.directory() as directory:
        (directory / "input").write_bytes((DATA / FILES[department]).read_bytes())
        with contextlib.chdir(directory):
            given = tmp_path.__class__("input")
            convert(Request(given, "csv", {}, 512 * MiB, Progress(lambda *_: None)))
        found = await sandbox.run(
            "ml_inference",
            directory,
            {
                "input": "output.parquet",
                "file_type": "parquet",
                "params": {"department": department},
            },
            on_progress=lambda percentage, step: told.append((percentage, step)),
            stop=asyncio.Event(),
        )
    assert found["insight"] == department
    assert [percentage for percentage, _ in told] == sorted(percentage for percentage, _ in told)
    assert len({step for _, step in told}) >= 4
