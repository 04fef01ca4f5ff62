"""What became of it all: the client's ledger and the subscribers beside the database."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graph.scalars import decoded_id

if TYPE_CHECKING:
    from uuid import UUID

    from tests.chaos.client import Ledger
    from tests.chaos.faults import Hits
    from tests.chaos.stand import Stand
    from tests.chaos.subscriber import Subscriber

CHECKS = {
    "jobs that are not final": "select id from jobs where completed_at is null",
    "jobs with other than one final event": """
        select j.id from jobs j left join job_events e
            on e.job_id = j.id and e.kind = 'status'
            and e.status in ('succeeded', 'failed', 'cancelled')
        group by j.id, j.status having count(e.id) <> 1 or max(e.status) <> j.status""",
    "jobs whose status changed after a final event": """
        select e.job_id from job_events e join job_events f
            on f.job_id = e.job_id and f.id > e.id and f.kind = 'status'
        where e.kind = 'status' and e.status in ('succeeded', 'failed', 'cancelled')""",
    "jobs whose results are not one where they succeeded, or not none": """
        select j.id from jobs j left join results r on r.job_id = j.id
        group by j.id, j.status
        having count(r.id) <> case j.status when 'succeeded' then 1 else 0 end""",
    "jobs without exactly one attempt that succeeded where they did": """
        select j.id from jobs j left join job_attempts a
            on a.job_id = j.id and a.outcome = 'succeeded'
        group by j.id, j.status
        having count(a.id) <> case j.status when 'succeeded' then 1 else 0 end""",
    "attempts that were never ended, or are missing in their row": """
        select j.id from jobs j left join job_attempts a on a.job_id = j.id
        group by j.id, j.attempts
        having count(a.id) <> j.attempts or count(a.id) <> count(a.ended_at)""",
    "validations that succeeded without exactly one etl after them": """
        select v.id from jobs v left join jobs e
            on e.dataset_id = v.dataset_id and e.job_type = 'etl'
        where v.job_type = 'validation' and v.status = 'succeeded'
        group by v.id having count(e.id) <> 1""",
    "datasets that say otherwise than their jobs": """
        select d.id from datasets d join jobs j on j.dataset_id = d.id
        where j.job_type = 'etl' and j.status = 'succeeded'
          and (d.status <> 'completed' or d.s3_key_processed is distinct from j.output_file)""",
    "defects that ended a job": "select id from jobs where error_code = 'INTERNAL'",
}


@dataclass
class Verdict:
    """Figures to show, and complaints, of which there should be none."""

    figures: dict[str, Any] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def complain(self, what: str, found: list[Any]) -> None:
        """Notes what was found, if anything was."""
        self.figures[what] = len(found)
        if found:
            self.complaints.append(f"{what}: {len(found)}, such as {found[:3]}")


async def judge(stand: Stand, ledger: Ledger, subscribers: list[Subscriber], hits: Hits) -> Verdict:
    """Compares everything, once all jobs are final."""
    verdict = Verdict()
    for name, query in CHECKS.items():
        verdict.complain(name, [row[0] for row in await stand.rows(query)])
    jobs = {row.id: row for row in await stand.rows("select * from jobs")}
    await _compare_ledger(stand, ledger, jobs, verdict)
    for number, subscriber in enumerate(subscribers):
        await _compare_events(stand, subscriber, number, verdict)
    verdict.figures["jobs"] = len(jobs)
    for status in ("succeeded", "failed", "cancelled"):
        verdict.figures[f"jobs {status}"] = sum(job.status == status for job in jobs.values())
    reasons = [job.error_code for job in jobs.values() if job.status == "failed"]
    verdict.figures["why jobs failed"] = {code: reasons.count(code) for code in set(reasons)}
    verdict.figures["attempts"] = sum(job.attempts for job in jobs.values())
    outcomes = await stand.rows("select outcome, count(*) from job_attempts group by 1 order by 1")
    verdict.figures["how attempts ended"] = {row[0]: row[1] for row in outcomes}
    await _measure_recovery(stand, hits, verdict)
    verdict.figures["what the logs complain of"] = _complaints(stand)
    return verdict


def _complaints(stand: Stand) -> dict[str, int]:
    """The last lines of all tracebacks in the logs of our processes."""
    found: Counter[str] = Counter()
    for path in stand.folder.logs.glob("[aw]*.log"):
        last = ""
        for line in [*path.read_text(errors="replace").splitlines(), "20"]:
            # A record begins with its year; what stands before it is the end of a traceback.
            if line.startswith("20") and last:
                found[f"{path.stem.partition('-')[0]}: {last[:160]}"] += 1
                last = ""
            elif not line.startswith(("20", " ")) and line:
                last = line
    return dict(found.most_common(12))


def _keys(ids: set[str]) -> set[UUID]:
    return {decoded_id(each)[1] for each in ids}


async def _compare_ledger(
    stand: Stand, ledger: Ledger, jobs: dict[UUID, Any], verdict: Verdict
) -> None:
    started = _keys(set(ledger.jobs.values()))
    validations = _keys({job for _, job in ledger.uploads.values()})
    verdict.complain("jobs lost", sorted(map(str, (started | validations) - jobs.keys())))
    known = {key for key, job in jobs.items() if job.job_type == "conversion"}
    verdict.complain("jobs that nobody knows of", sorted(map(str, known - started)))
    verdict.complain(
        "keys that share a job",
        [] if len(started) == len(ledger.jobs) else sorted(ledger.jobs.values()),
    )
    found = {key for key, job in jobs.items() if job.job_type == "validation"}
    verdict.complain("validations that nobody knows of", sorted(map(str, found - validations)))
    datasets = await stand.rows("select id from datasets")
    brought = _keys({dataset for dataset, _ in ledger.uploads.values()})
    verdict.complain(
        "datasets that nobody knows of", sorted(str(d.id) for d in datasets if d.id not in brought)
    )
    deaf = [key for key in _keys(ledger.cancelled) if jobs[key].cancel_requested_at is None]
    verdict.complain("cancels that were forgotten", deaf)


async def _compare_events(
    stand: Stand, subscriber: Subscriber, number: int, verdict: Verdict
) -> None:
    rows = await stand.rows(
        """with recursive below as (
               select id from departments where code = $1
               union select d.id from departments d join below b on d.parent_id = b.id)
           select e.id from job_events e join below b on b.id = e.department_id
           where e.id > $2 order by e.id""",
        subscriber.department,
        subscriber.start,
    )
    expected = [row.id for row in rows]
    name = f"subscriber {number} of {subscriber.department}"
    verdict.figures[f"events of {name}"] = len(subscriber.seen)
    missed = set(expected) - set(subscriber.seen)
    verdict.complain(f"events missed by {name}", sorted(missed))
    repeated = len(subscriber.seen) - len(set(subscriber.seen))
    verdict.complain(f"events repeated to {name}", [repeated] if repeated else [])
    same = missed or repeated or subscriber.seen == expected
    verdict.complain(f"events out of order for {name}", [] if same else [name])


async def _measure_recovery(stand: Stand, hits: Hits, verdict: Verdict) -> None:
    """From the moment of a kill or a stop to the start of the next attempt, in seconds."""
    attempts = await stand.rows("""
        select a.worker, a.outcome, a.error_code, j.priority,
               extract(epoch from a.started_at)::float began,
               extract(epoch from a.ended_at)::float ended,
               extract(epoch from n.started_at)::float next
        from job_attempts a join job_attempts n
            on n.job_id = a.job_id and n.attempt = a.attempt + 1
        join jobs j on j.id = a.job_id""")
    found = []
    for at, worker in hits.workers:
        found += [
            (at, a)
            for a in attempts
            if a["worker"] == worker and a["outcome"] == "lost" and a["began"] <= at <= a["ended"]
        ]
    for at, worker in hits.children:
        found += [
            (at, a)
            for a in attempts
            if a["worker"] == worker
            and a["error_code"] == "CHILD_DIED"
            and at <= a["ended"] <= at + 15
        ][:1]
    delays = [a["next"] - at for at, a in found]
    verdict.figures["attempts that died and were followed by another"] = len(delays)
    if len(delays) > 1:
        cut = statistics.quantiles(delays, n=100, method="inclusive")
        verdict.figures["from a kill to the next attempt, median s"] = round(cut[49], 1)
        verdict.figures["from a kill to the next attempt, p99 s"] = round(cut[98], 1)
        found.sort(key=lambda each: each[0] - each[1]["next"])
        verdict.figures["slowest: s until it was free, then s in the queue, priority"] = [
            (round(a["ended"] - at, 1), round(a["next"] - a["ended"], 1), a["priority"])
            for at, a in found[:8]
        ]
