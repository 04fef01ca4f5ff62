"""One run: a plan made from a seed, clients, subscribers and faults all along, and the verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from ops.access import LocalAccount
from ops.client import Client
from tests.chaos.client import Ledger, Starter
from tests.chaos.faults import Faults
from tests.chaos.stand import Stand
from tests.chaos.subscriber import Subscriber
from tests.chaos.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

DEPARTMENTS = ("sales", "supply", "finance")

MOST_WAITING = 4
"""Above this many waiting jobs nothing more is started: what is measured is how soon a job that
was lost starts again, and not how long one of low priority waits behind all others.
"""


@dataclass(frozen=True)
class Plan:
    """How much of what, over how many seconds."""

    seconds: float
    light_jobs: int
    uploads: int
    workers: int
    faults: dict[str, int]
    settle_seconds: float = 150
    lease_seconds: float = 15


FULL = Plan(
    seconds=270,
    light_jobs=840,
    uploads=105,
    workers=4,
    faults={
        "worker killed": 50,
        "worker stopped": 10,
        "child killed": 44,
        "child stopped": 8,
        "Redis flushed": 20,
        "Redis killed and restarted": 10,
        "PostgreSQL restarted, immediate": 6,
        "S3 answers 503": 16,
        "S3 hangs": 8,
        "sockets reset": 22,
        "Redis's connections reset": 8,
        "PostgreSQL's connections reset": 8,
    },
)

# Shorter leases, as what is lost is waited for.
SHORT = Plan(
    seconds=8,
    lease_seconds=6,
    light_jobs=60,
    uploads=6,
    workers=2,
    faults={
        "worker killed": 2,
        "child killed": 2,
        "Redis flushed": 1,
        "Redis killed and restarted": 1,
        "PostgreSQL restarted, immediate": 1,
        "S3 answers 503": 1,
        "sockets reset": 2,
        "PostgreSQL's connections reset": 1,
    },
)


class Run:
    """What is under way in one run."""

    def __init__(self, seed: int, plan: Plan, stand: Stand, say: Callable[[str], None]) -> None:
        self._random = Random(seed)  # noqa: S311 (a plan that can be repeated)
        self._plan = plan
        self._stand = stand
        self._say = say
        self.ledger = Ledger()
        self.refusals: Counter[str] = Counter()
        self.faults = Faults(stand, Random(seed + 1))  # noqa: S311 (as above)
        self.subscribers: list[Subscriber] = []
        self._clients = {
            department: Client(
                stand.url, LocalAccount(stand.settings, f"{department}@aetherflow.local")
            )
            for department in DEPARTMENTS
        }
        self._starters = {
            department: Starter(client, department, self.ledger, self.refusals, f"{seed}")
            for department, client in self._clients.items()
        }
        self._bases: dict[str, str] = {}
        self._few_wait = asyncio.Event()

    async def go(self) -> Verdict:
        """Lets it all happen, waits until every job is final, and judges."""
        stand, plan = self._stand, self._plan
        await self._prepare()
        following = [asyncio.create_task(each.follow()) for each in self.subscribers]
        began = time.monotonic()
        counting = asyncio.create_task(self._count_waiting())
        await asyncio.gather(*self._happenings())
        counting.cancel()
        self._say(f"all was started and all faults were made in {time.monotonic() - began:.0f} s")
        await self._settle()
        self.faults.end_the_frozen()
        self._say(f"every job is final after {time.monotonic() - began:.0f} s")
        await self._hear_out(following)
        for client in self._clients.values():
            await client.__aexit__(None, None, None)
        verdict = await judge(stand, self.ledger, self.subscribers, self.faults.hits)
        hits = self.faults.hits.by_kind
        verdict.figures["faults"] = sum(hits.values())
        verdict.figures["faults by kind"] = dict(hits)
        verdict.figures["workers started anew"] = stand.restarts
        verdict.figures["sockets and requests of clients"] = stand.proxies["api"].accepted
        verdict.figures["what clients were refused with"] = dict(self.refusals)
        missing = [kind for kind in plan.faults if not hits[kind]]
        verdict.complain("kinds of fault that never hit", missing)
        failed = [str(task.exception()) for task in following if not task.cancelled()]
        verdict.complain("subscribers that gave up", failed)
        return verdict

    async def _prepare(self) -> None:
        for department, starter in self._starters.items():
            self._bases[department] = await starter.upload(f"base-{department}")
        await self._settle()
        for department, starter in self._starters.items():
            first = await starter.light(f"first-{department}", self._bases[department], 0.1)
            for email, topic in ((department, department), ("admin", "company")):
                account = LocalAccount(self._stand.settings, f"{email}@aetherflow.local")
                made = Subscriber(self._stand.url, self._stand.settings, account, topic)
                await made.begin_after(first)
                self.subscribers.append(made)

    def _happenings(self) -> list[Coroutine[Any, Any, None]]:
        plan, chance = self._plan, self._random
        made: list[Coroutine[Any, Any, None]] = []
        for number in range(plan.light_jobs):
            # Most are short; some last long enough to die more than once.
            seconds = chance.uniform(0, 0.5) if chance.random() < 0.94 else chance.uniform(3, 8)
            made.append(
                self._later(
                    chance.uniform(0, plan.seconds),
                    self._light(f"light-{number}", chance.choice(DEPARTMENTS), seconds),
                )
            )
        made += [
            self._later(
                chance.uniform(0, plan.seconds),
                self._upload(f"upload-{number}", chance.choice(DEPARTMENTS)),
            )
            for number in range(plan.uploads)
        ]
        kinds = [kind for kind, count in plan.faults.items() for _ in range(count)]
        chance.shuffle(kinds)
        made += [
            self._later(
                plan.seconds * (place + chance.random()) / len(kinds), self.faults.make(kind)
            )
            for place, kind in enumerate(kinds)
        ]
        return made

    async def _later(self, seconds: float, what: Coroutine[Any, Any, None]) -> None:
        await asyncio.sleep(seconds)
        await what

    async def _count_waiting(self) -> None:
        waiting = "select count(*) from jobs where status = 'queued' and available_at <= now()"
        while True:
            if (await self._stand.rows(waiting))[0][0] > MOST_WAITING:
                self._few_wait.clear()
            else:
                self._few_wait.set()
            await asyncio.sleep(0.3)

    async def _light(self, key: str, department: str, seconds: float) -> None:
        await self._few_wait.wait()
        await self._starters[department].light(key, self._bases[department], seconds)

    async def _upload(self, key: str, department: str) -> None:
        await self._few_wait.wait()
        await self._starters[department].upload(key)

    async def _settle(self) -> None:
        deadline = time.monotonic() + self._plan.settle_seconds
        open_jobs = "select count(*) from jobs where status in ('queued', 'processing')"
        while (await self._stand.rows(open_jobs))[0][0]:
            if time.monotonic() > deadline:
                self._say("some jobs are not final")
                return
            await asyncio.sleep(0.5)

    async def _hear_out(self, following: list[asyncio.Task[None]]) -> None:
        """Lets the subscribers hear the last events, then a moment more for what is too much."""
        deadline = time.monotonic() + 20
        last = (await self._stand.rows("select max(id) from job_events"))[0][0]
        while max((s.seen[-1] for s in self.subscribers if s.seen), default=0) < last:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        await asyncio.sleep(3)
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def run_chaos(
    seed: int, plan: Plan, say: Callable[[str], None], *, keep: bool = False
) -> Verdict:
    """Runs one seed on servers of its own, in the main thread, and gives the verdict."""
    async with Stand(plan.workers, plan.lease_seconds, keep=keep) as stand:
        say(f"seed {seed}: everything runs in {stand.home}")
        return await Run(seed, plan, stand, say).go()
