"""What is promised of jobs and their events is kept under faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.chaos.run import FULL, SHORT, Plan, run_chaos

if TYPE_CHECKING:
    from tests.chaos.verdict import Verdict

RECOVERY_SECONDS = 30
P99 = "from a kill to the next attempt, p99 s"


def run(seed: int, plan: Plan) -> Verdict:
    # In the main thread and in a loop of its own: the servers end with the thread that began them.
    verdict = asyncio.run(run_chaos(seed, plan, print))
    assert verdict.complaints == [], verdict.figures
    return verdict


def test_keeps_every_job_and_event_through_a_few_faults() -> None:
    verdict = run(7, SHORT)
    assert verdict.figures["jobs"] >= SHORT.light_jobs + 2 * SHORT.uploads - 3


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_keeps_every_job_and_event_through_hundreds_of_faults(seed: int) -> None:
    verdict = run(seed, FULL)
    assert verdict.figures["jobs"] >= 1000
    assert verdict.figures["faults"] >= 200
    assert verdict.figures[P99] <= RECOVERY_SECONDS
