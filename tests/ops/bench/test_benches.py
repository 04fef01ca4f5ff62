"""The benches run, and in the soak they show what the product promises."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops.bench.operations import PEOPLE
from ops.dashboards import QUERIES
from tests.ops.cli.conftest import BARE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_MB = 300
CROWD_MEMORY_MB = 400
DELIVERY_MICROSECONDS = 30
START_MS = 50
CHILDREN_A_SECOND = 20
DASHBOARD_MS = 20
ETL_RATIO = 2


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for temporary ones, open to the account that PostgreSQL runs as under root."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)
        yield Path(made)


def measured(*words: str, home: Path, seconds: float) -> list[dict[str, Any]]:
    """Runs a bench that leaves nothing behind, and gives its rows."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", "bench", *words, "--json"],
        cwd=ROOT,
        env={**BARE, "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.glob("aetherflow-bench-*")) == []
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["bench"] for row in rows} == {words[0]}
    return rows


def bench(*words: str, home: Path, seconds: float) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Runs a bench of one case and gives its rows by metric and reference."""
    rows = measured(*words, home=home, seconds=seconds)
    return {(row["metric"], row["reference"]): row for row in rows}


def test_measures_the_start_of_jobs_beside_bare_arq(home: Path) -> None:
    words = ("jobs", "--rounds", "2", "--jobs", "60", "--children", "4")
    rows = bench(*words, home=home, seconds=180)
    delays = {key: row for key, row in rows.items() if "commit to start" in key[0]}
    assert {reference for _, reference in delays} == {
        "bare arq, polling every 30 ms",
        "bare arq, polling every 500 ms",
    }
    assert all(0 < row["value"] < 5000 and row["ratio"] > 0 for row in delays.values())
    assert all(row["unit"] == "ms" for row in delays.values())
    assert rows["empty jobs without a child", "bare arq, polling every 30 ms"]["ratio"] > 0
    assert rows["empty jobs in a child", None]["value"] > 0


def test_measures_a_stream_beside_ready_text_and_stock_strawberry(home: Path) -> None:
    words = ("--sockets", "200", "--crowd", "200", "--rounds", "1")
    rows = bench("stream", *words, home=home, seconds=180)
    for reference in ("raw-send", "stock-strawberry", "180 sockets, all reading"):
        for metric in ("server CPU per delivered event", "late, 99th percentile"):
            assert rows[metric, reference]["value"] > 0


def test_measures_an_upload_beside_bare_duckdb(home: Path) -> None:
    rows = bench("upload", "--size", "110MB", "--rounds", "1", home=home, seconds=240)
    assert rows["parts sent", None]["value"] == 2
    assert rows["etl job", "bare DuckDB, CSV to Parquet"]["ratio"] > 0
    assert rows["API's peak memory", None]["value"] < MEMORY_MB
    assert 0 < rows["child's peak memory", "its cap"]["ratio"] < 1


def test_measures_what_dashboards_ask_beside_the_same_sql(home: Path) -> None:
    rows = measured("operations", "--datasets", "2000", "--rounds", "3", home=home, seconds=120)
    assert len({row["case"] for row in rows}) == len(PEOPLE) * len(QUERIES)
    assert all(row["unit"] == "ms" and row["ratio"] > 0 for row in rows)


@pytest.mark.soak
def test_what_dashboards_ask_of_many_datasets_takes_a_moment(home: Path) -> None:
    rows = measured("operations", home=home, seconds=600)
    medians = {row["case"]: row["value"] for row in rows if row["metric"] == "median"}
    assert max(medians.values()) < DASHBOARD_MS, medians


@pytest.mark.soak
def test_a_job_starts_soon_and_children_start_often(home: Path) -> None:
    rows = bench("jobs", home=home, seconds=600)
    medians = [row["value"] for (metric, _), row in rows.items() if "median" in metric]
    assert max(medians) < START_MS
    assert rows["empty jobs in a child", None]["value"] >= CHILDREN_A_SECOND


@pytest.mark.soak
def test_a_gigabyte_stays_within_the_promised_memory_and_time(home: Path) -> None:
    rows = bench("upload", home=home, seconds=1800)
    assert rows["parts sent", None]["value"] > 10
    assert rows["API's peak memory", None]["value"] < MEMORY_MB
    assert rows["child's peak memory", "its cap"]["ratio"] < 1
    assert rows["etl job", "bare DuckDB, CSV to Parquet"]["ratio"] <= ETL_RATIO


@pytest.mark.soak
def test_a_delivered_event_costs_what_ready_text_does_and_slow_readers_nobody_else(
    home: Path,
) -> None:
    rows = bench("stream", home=home, seconds=900)
    cost = "server CPU per delivered event"
    assert rows[cost, "raw-send"]["value"] <= DELIVERY_MICROSECONDS
    assert rows[cost, "stock-strawberry"]["ratio"] < 0.5
    assert rows["late, 99th percentile", "4500 sockets, all reading"]["ratio"] <= 2
    assert rows["server memory, above that of no sockets", None]["value"] < CROWD_MEMORY_MB
