"""What was measured of a case, in rounds, made into rows."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from ops.bench.graph.cases import BESIDE, OURS, REFERENCES
from ops.bench.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ops.bench.graph.servers import Measured

BENCH = "graph"

MS = 1000
MB = 10**6

RATE = "requests per second"
CPU = "CPU per request"
P99 = "p99"

METRICS: Mapping[str, tuple[str, Callable[[Measured], float]]] = {
    RATE: ("1/s", lambda measured: measured.rate),
    "p50": ("ms", lambda measured: measured.p50 * MS),
    P99: ("ms", lambda measured: measured.p99 * MS),
    CPU: ("ms", lambda measured: measured.cpu * MS),
    "peak memory": ("MB", lambda measured: measured.memory / MB),
}

Rounds = list["Measured"]


def median(rounds: Rounds, metric: str) -> float:
    """The median of the rounds in the metric's unit.

    Of memory it is the first round's, because a process keeps what it once took for another case.
    """
    values = [METRICS[metric][1](measured) for measured in rounds]
    return values[0] if metric == "peak memory" else statistics.median(values)


def beside_references(case: str, rounds: Mapping[str, Rounds]) -> list[Row]:
    """The rows of a case: each metric beside each reference that was measured."""
    return [
        row
        for metric in METRICS
        for name in REFERENCES
        for row in [_row(case, metric, rounds[OURS], name, rounds[name])]
    ]


def between(
    case: str, metrics: Sequence[str], ours: Rounds, reference: str, other: Rounds
) -> list[Row]:
    """The rows of a case beside something else of this server's own."""
    return [_row(case, metric, ours, reference, other) for metric in metrics]


def added_tail(alone: Rounds, beside: Rounds) -> Row:
    """The row that tells how much long queries add to the slowest small ones."""
    added = median(beside, P99) - median(alone, P99)
    return Row(BENCH, BESIDE, "added to p99", added, METRICS[P99][0])


def _row(case: str, metric: str, ours: Rounds, reference: str, other: Rounds) -> Row:
    unit, _ = METRICS[metric]
    value, beside = median(ours, metric), median(other, metric)
    # Processor time is counted in hundredths of a second: a moment's measurement may have none.
    ratio = value / beside if beside else None
    return Row(BENCH, case, metric, value, unit, reference, ratio)
