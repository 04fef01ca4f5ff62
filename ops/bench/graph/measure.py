"""`bench graph`: queries of this server beside references on the same rows, in turn in one run."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg

from domain.bootstrap import issue_token
from domain.database import Row as DatabaseRow
from domain.ids import global_id
from domain.paging import NEWEST, cursor_of
from ops.bench.graph.cases import BESIDE, OURS, PAIR, REFERENCES
from ops.bench.graph.equality import require_equal
from ops.bench.graph.medians import CPU, P99, RATE, added_tail, beside_references, between
from ops.bench.graph.servers import loading, serving
from ops.bench.graph.shapes import Sample, shapes
from ops.bench.population import populate
from ops.bench.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.bench.graph.medians import Rounds
    from ops.bench.graph.servers import Load, Server
    from ops.bench.graph.shapes import Shape
    from ops.bench.rows import Row

ACCOUNT = "admin@aetherflow.local"
"""It sees all departments, so that row-level security has something to let through."""

DEPTH = 0.9
"""How far down the list of datasets the deep page begins: at 90,000 of 100,000."""

WARM_SECONDS = 0.2
"""How long a server is asked before it is measured in a case: its connections prepare their
statements, and keep them from then on."""

DATASET = """
select id, created_at from datasets
where deleted_at is null order by created_at desc, id desc offset $1 limit 1
"""

SMALL, LARGE = "node", "flat-10000"
TAIL = 2
"""How many times longer than others the case of small queries is measured, for its percentile."""

SHARED = "nested-20"
SHARED_CLIENTS = 16


def bench_graph(cases: Sequence[str], datasets: int, seconds: float, rounds: int) -> list[Row]:
    """Measures ``cases`` in each of ``rounds``, every server for so many seconds, and gives rows.

    Raises CommandFailed when servers answer differently, and ServerFailed.
    """
    return asyncio.run(_bench(cases, datasets, seconds, rounds))


async def _bench(cases: Sequence[str], datasets: int, seconds: float, rounds: int) -> list[Row]:
    async with running_stack() as stack, AsyncExitStack() as parts:
        _say(f"loading {datasets:,} datasets")
        await populate(stack.owner_url, datasets, datetime.now(UTC))
        sample = await _sample(stack.owner_url, datasets)
        token = await issue_token(stack.settings, ACCOUNT)
        names = (OURS, *REFERENCES, *((PAIR,) if PAIR in cases else ()))
        servers = await parts.enter_async_context(serving(stack, names))
        load = await parts.enter_async_context(loading())
        background = await parts.enter_async_context(loading())
        bench = _Bench(servers, token, shapes(sample), load, background, seconds)
        bench.check(cases)
        for number in range(rounds):
            for case in cases:
                _say(f"round {number + 1} of {rounds}: {case}")
                await bench.round(case)
        return [row for case in cases for row in bench.rows(case)]


class _Bench:
    """What is measured with, and what was measured so far: rounds by case and server."""

    def __init__(
        self,
        servers: dict[str, Server],
        token: str,
        known: dict[str, Shape],
        load: Load,
        background: Load,
        seconds: float,
    ) -> None:
        self._servers = servers
        self._token = token
        self._shapes = known
        self._load = load
        self._background = background
        self._seconds = seconds
        self._measured: defaultdict[str, defaultdict[str, Rounds]] = defaultdict(
            lambda: defaultdict(list)
        )

    def check(self, cases: Sequence[str]) -> None:
        """Has every shape answered by all servers. Raises CommandFailed where answers differ."""
        alike = [self._servers[name] for name in (OURS, *REFERENCES)]
        special = {BESIDE: (SMALL, LARGE), PAIR: (SHARED,)}
        asked = [name for case in cases for name in special.get(case, (case.partition("/")[0],))]
        for name in dict.fromkeys(asked):
            require_equal(self._shapes[name], alike, self._token)

    async def round(self, case: str) -> None:
        """Measures a case once, with all servers in turn."""
        if case == PAIR:
            for name in (OURS, PAIR):
                await self._measure(case, name, SHARED, SHARED_CLIENTS)
        elif case == BESIDE:
            for name in (OURS, *REFERENCES):
                await self._measure(f"{case} alone", name, SMALL, 1)
                await self._measure_beside(name)
        else:
            shape, _, clients = case.partition("/")
            for name in (OURS, *REFERENCES):
                await self._measure(case, name, shape, int(clients))

    def rows(self, case: str) -> list[Row]:
        """The rows of a case."""
        measured = self._measured[case]
        if case == PAIR:
            shared = f"{case}, {SHARED}/{SHARED_CLIENTS}"
            return between(shared, (CPU, RATE), measured[PAIR], "one process", measured[OURS])
        if case == BESIDE:
            alone = self._measured[f"{case} alone"][OURS]
            return [
                *between(case, (P99,), measured[OURS], "alone", alone),
                added_tail(alone, measured[OURS]),
                *beside_references(case, measured),
            ]
        rows = beside_references(case, measured)
        first = case.replace("page-deep", "page-1")
        if first != case and first in self._measured:
            other = self._measured[first][OURS]
            rows += between(case, ("p50", CPU), measured[OURS], "page-1", other)
        return rows

    async def _measure(self, case: str, name: str, shape: str, clients: int) -> None:
        server, request = self._asking(name, shape)
        if not self._measured[case][name]:
            await self._load.run(server, request, clients, min(WARM_SECONDS, self._seconds))
        measured = await self._load.measure(server, request, clients, self._seconds)
        self._measured[case][name].append(measured)

    async def _measure_beside(self, name: str) -> None:
        """Measures small queries while another client asks for 10,000 rows all along."""
        server, request = self._asking(name, SMALL)
        _, large = self._asking(name, LARGE)
        seconds = self._seconds * TAIL
        ask = self._background.run(server, large, 1, seconds + 2 * WARM_SECONDS)
        task = asyncio.create_task(ask)
        await asyncio.sleep(min(WARM_SECONDS, self._seconds))
        measured = await self._load.measure(server, request, 1, seconds)
        self._measured[BESIDE][name].append(measured)
        await task

    def _asking(self, name: str, shape: str) -> tuple[Server, str]:
        server = self._servers[name]
        return server, server.request(self._shapes[shape], self._token)


async def _sample(owner_url: str, datasets: int) -> Sample:
    connection = await asyncpg.connect(owner_url, record_class=DatabaseRow)
    try:
        middle = await connection.fetchrow(DATASET, datasets // 2)
        deep = await connection.fetchrow(DATASET, max(int(datasets * DEPTH) - 1, 0))
        assert middle is not None  # noqa: S101 (so many were loaded)
        assert deep is not None  # noqa: S101 (as above)
    finally:
        await connection.close()
    return Sample(global_id("Dataset", middle["id"]), cursor_of(deep, NEWEST))


def _say(what: str) -> None:
    # Standard output is for the rows alone.
    print(what, file=sys.stderr, flush=True)
