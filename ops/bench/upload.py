"""`bench upload`: a large CSV through upload, validation and etl, beside bare DuckDB."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ops.bench.etl import generate_csv
from ops.bench.memory import watched
from ops.bench.rows import Row, compared
from ops.bench.stack import DEPARTMENT, running_stack, running_worker
from ops.failure import CommandFailed
from ops.uploading.file import read_file
from ops.uploading.following import follow_dataset, summary_of
from ops.uploading.sending import Wanted, begin_upload, finish_upload

if TYPE_CHECKING:
    from pathlib import Path

    from ops.bench.memory import Peaks
    from ops.bench.stack import Stack
    from ops.client import Client

BENCH = "upload"
DUCKDB = "bare DuckDB, CSV to Parquet"
MB = 10**6

START = """
mutation Start($input: StartJobInput!) { startJob(input: $input) { job { id } } }
"""

JOBS = """
query Jobs($id: ID!) {
  dataset(id: $id) { jobs { nodes { id jobType status startedAt completedAt errorMessage } } }
}
"""

BARE = """
import json, sys, time, duckdb
source, target = sys.argv[1:]
connection = duckdb.connect()
connection.execute("set enable_progress_bar = false")
began = time.perf_counter()
connection.execute(
    f"copy (from read_csv('{source}')) to '{target}' (format parquet, compression zstd)"
)
print(json.dumps({"seconds": time.perf_counter() - began}))
"""
"""What anyone would write: DuckDB finds dialect and types itself, with all cores and memory."""


def bench_upload(size: int, rounds: int) -> list[Row]:
    """Measures with a CSV of ``size`` bytes; etl and DuckDB run ``rounds`` times, in turn."""
    return asyncio.run(_bench(size, rounds))


async def _bench(size: int, rounds: int) -> list[Row]:
    case = f"{size / MB:,.0f} MB csv"
    async with (
        running_stack() as stack,
        running_worker(stack) as worker,
        stack.client() as client,
    ):
        source = stack.folder / "bench.csv"
        await asyncio.to_thread(generate_csv, source, size)
        assert stack.api.pid is not None  # noqa: S101 (it answers)
        assert worker.pid is not None  # noqa: S101 (as above)
        async with watched(stack.api.pid, worker.pid) as peaks:
            file = await asyncio.to_thread(read_file, source, _nothing)
            began = time.monotonic()
            wanted = Wanted(DEPARTMENT)
            upload = await begin_upload(client, file, wanted)
            parts = len(upload.missing)
            await finish_upload(client, file, wanted, upload, _nothing)
            sent = time.monotonic() - began
            async for news in follow_dataset(client, upload.dataset_id):
                if news.status in {"FAILED", "CANCELLED"}:
                    message = f"the {news.job_type} did not succeed: {news.text}"
                    raise CommandFailed(message)
            seconds = await _job_seconds(client, upload.dataset_id)
            summary = await summary_of(client, upload.dataset_id)
            whole, bare = [seconds["ETL"]], [await _bare_seconds(stack, source)]
            engine = [float((summary or {})["seconds"])]
            for _ in range(rounds - 1):
                given = {"datasetId": upload.dataset_id, "jobType": "ETL"}
                await client.ask(START, {"input": given})
                whole.append((await _job_seconds(client, upload.dataset_id))["ETL"])
                engine.append(float((await summary_of(client, upload.dataset_id) or {})["seconds"]))
                bare.append(await _bare_seconds(stack, source))
        reference = statistics.median(bare)
        return [
            Row(BENCH, case, "parts sent", parts, "parts"),
            Row(BENCH, case, "upload", sent, "s"),
            Row(BENCH, case, "upload rate", file.size / MB / sent, "MB/s"),
            Row(BENCH, case, "validation job", seconds["VALIDATION"], "s"),
            compared(BENCH, case, "etl job", statistics.median(whole), "s", DUCKDB, reference),
            compared(
                BENCH, case, "etl in the child", statistics.median(engine), "s", DUCKDB, reference
            ),
            *_memory(case, peaks, stack.settings.child_memory_bytes),
        ]


def _memory(case: str, peaks: Peaks, cap: int) -> list[Row]:
    return [
        Row(BENCH, case, "API's peak memory", peaks.process / MB, "MB"),
        compared(
            BENCH, case, "child's peak memory", peaks.children / MB, "MB", "its cap", cap / MB
        ),
    ]


async def _job_seconds(client: Client, dataset_id: str) -> dict[str, float]:
    """The seconds of a dataset's newest job of each type, from a worker's claim to publication.

    All have ended then: the insight that follows an etl would slow what is measured next.
    """
    while True:
        nodes = (await client.ask(JOBS, {"id": dataset_id}))["dataset"]["jobs"]["nodes"]
        for job in nodes:
            if job["status"] in {"FAILED", "CANCELLED"}:
                message = f"the {job['jobType']} did not succeed: {job['errorMessage']}"
                raise CommandFailed(message)
        if all(job["status"] == "SUCCEEDED" for job in nodes):
            # The newest come first.
            return {job["jobType"]: _seconds(job) for job in reversed(nodes)}
        await asyncio.sleep(0.5)


async def _bare_seconds(stack: Stack, source: Path) -> float:
    target = stack.folder / "bare.parquet"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BARE, str(source), str(target), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    if process.returncode:
        message = "bare DuckDB could not read the generated file; its words stand above."
        raise CommandFailed(message)
    return float(json.loads(told)["seconds"])


def _seconds(job: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(job[name]) for name in ("startedAt", "completedAt"))
    return (ended - began).total_seconds()


def _nothing(_size: int) -> None:
    """Hears of bytes, and shows nothing."""
