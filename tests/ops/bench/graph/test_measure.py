"""The bench of queries runs all its cases, on few rows."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from ops.bench.graph.cases import BESIDE, CASES, PAIR, REFERENCES
from ops.bench.graph.medians import METRICS
from tests.ops.cli.conftest import BARE, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "bench", "graph", *words, "--json"],
        cwd=ROOT,
        env=BARE | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_case_has_rows_and_all_servers_give_one_answer(open_folder: Path) -> None:
    done = run("--datasets", "24", "--seconds", "0.01", "--rounds", "1", folder=open_folder)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["bench"] for row in rows} == {"graph"}
    found = {(row["case"], row["metric"], row["reference"]): row for row in rows}
    assert len(found) == len(rows)
    for case in CASES:
        if case != PAIR:
            assert {(case, m, r) for m in METRICS for r in REFERENCES} <= found.keys()
    assert (BESIDE, "p99", "alone") in found
    assert (BESIDE, "added to p99", None) in found
    assert ("page-deep/1", "p50", "page-1") in found
    assert (f"{PAIR}, nested-20/16", "CPU per request", "one process") in found
    assert all(row["value"] > 0 for (_, metric, _), row in found.items() if metric == "p50")
    assert f"round 1 of 1: {CASES[0]}" in done.stderr
    assert not list(open_folder.iterdir())


def test_names_the_cases_where_one_is_unknown(tmp_path: Path) -> None:
    done = run("--cases", "nested-20/1,nested-20/2", folder=tmp_path)
    assert done.returncode == 2
    assert "there is no case 'nested-20/2'" in done.stderr
    assert all(case in done.stderr for case in CASES)
