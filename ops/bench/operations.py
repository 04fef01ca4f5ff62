"""`bench operations`: what dashboards ask, over HTTP, beside the same SQL by hand."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from domain.database import Connection
from domain.database import Row as Record
from domain.scope import Identity, opening
from ops.bench.population import populate
from ops.bench.rows import Row, compared, ninth_decile
from ops.bench.stack import running_stack
from ops.dashboards import QUERIES, query

if TYPE_CHECKING:
    from ops.client import Client

BENCH = "operations"
REFERENCE = "the same SQL by hand"
SINCE_DAYS = 7

PEOPLE = ("finance", "sales", "admin")
"""A department with a few rows, the one with most of them, and who sees all departments."""

BY_HAND = {
    "processing": (
        """
        select j.job_type, j.status, j.progress, j.current_step, j.created_at, j.started_at,
               j.heartbeat_at, d.code, s.name
        from jobs j join departments d on d.id = j.department_id
        left join datasets s on s.id = j.dataset_id and s.deleted_at is null
        where j.status in ('queued', 'processing') and j.deleted_at is null
        order by j.created_at desc, j.id desc limit 20
        """,
        """
        select count(*) from jobs j
        where j.status in ('queued', 'processing') and j.deleted_at is null
        """,
        """
        select d.code, count(j.id) filter (where j.status = 'queued') as queued,
               count(j.id) filter (where j.status = 'processing') as processing
        from departments d left join jobs j
            on j.department_id = d.id and j.status in ('queued', 'processing')
            and j.deleted_at is null
        group by d.code
        """,
    ),
    "failed": (
        """
        select j.job_type, j.error_code, j.error_message, j.attempts, j.completed_at, d.code,
               s.name
        from jobs j join departments d on d.id = j.department_id
        left join datasets s on s.id = j.dataset_id and s.deleted_at is null
        where j.status = 'failed' and j.completed_at >= $1 and j.deleted_at is null
        order by j.completed_at desc, j.id desc limit 20
        """,
        """
        select count(*) from jobs j
        where j.status = 'failed' and j.completed_at >= $1 and j.deleted_at is null
        """,
        """
        select d.code, count(j.id) from departments d left join jobs j
            on j.department_id = d.id and j.status = 'failed' and j.completed_at >= $1
            and j.deleted_at is null
        group by d.code
        """,
    ),
    "latest": (
        """
        select d.code, r.result_type, r.created_at, r.payload, s.name, s.row_count
        from departments d cross join lateral (
            select * from results
            where department_id = d.id and result_type = 'department_insight'
              and created_at >= $1 and deleted_at is null
            order by created_at desc, id desc limit 3
        ) r
        left join datasets s on s.id = r.dataset_id and s.deleted_at is null
        """,
    ),
}
"""What somebody would write who knows the tables, the scope being the policies' alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of one person, to the graph and to the database."""

    client: Client
    connection: Any
    identity: Identity
    name: str
    since: datetime

    async def of_the_graph(self) -> Any:
        """What the API answers."""
        given = {} if self.name == "processing" else {"since": self.since.isoformat()}
        return await self.client.ask(query(self.name), given)

    async def by_hand(self) -> bytes:
        """What the database answers in one transaction of this person's, as JSON."""
        await self.connection.execute(opening(self.identity, write=False))
        found = []
        for text in BY_HAND[self.name]:
            given = [self.since] if "$1" in text else []
            found.append([dict(row) for row in await self.connection.fetch(text, *given)])
        await self.connection.execute("rollback")
        return orjson.dumps(found)


def bench_operations(datasets: int, rounds: int) -> list[Row]:
    """Asks each question ``rounds`` times of ``datasets`` datasets with three jobs each."""
    return asyncio.run(_bench(datasets, rounds))


async def _bench(datasets: int, rounds: int) -> list[Row]:
    rows = []
    async with running_stack() as stack:
        until = datetime.now(UTC)
        await populate(stack.owner_url, datasets, until)
        url = stack.settings.database_url.get_secret_value().replace("+asyncpg", "")
        connection = await asyncpg.connect(url, connection_class=Connection, record_class=Record)
        owner = await asyncpg.connect(stack.owner_url)
        try:
            for person in PEOPLE:
                email = f"{person}@aetherflow.local"
                user_id = await owner.fetchval("select id from users where email = $1", email)
                async with stack.client(email) as client:
                    for name in QUERIES.values():
                        since = until - timedelta(days=SINCE_DAYS)
                        asked = Asked(client, connection, Identity(user_id, None), name, since)
                        case = f"{name}, as {person}"
                        rows += await _compared(case, asked, rounds)
        finally:
            await owner.close()
            await connection.close()
    return rows


async def _compared(case: str, asked: Asked, rounds: int) -> list[Row]:
    ours: list[float] = []
    theirs: list[float] = []
    # The first of each makes plans and is not counted.
    for counted in range(-1, rounds):
        for ask, seconds in ((asked.of_the_graph, ours), (asked.by_hand, theirs)):
            began = time.perf_counter()
            await ask()
            if counted >= 0:
                seconds.append(time.perf_counter() - began)
    return [
        compared(BENCH, case, metric, value(ours) * 1000, "ms", REFERENCE, value(theirs) * 1000)
        for metric, value in (("median", statistics.median), ("90th percentile", ninth_decile))
    ]
