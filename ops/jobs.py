"""What `aetherflow jobs` asks of the graph, and how it shows the answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Column, Table

from ops.client import GraphRefused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from ops.client import Client

LIST = """
query Jobs($first: Int, $filter: JobFilter) {
  jobs(first: $first, filter: $filter) {
    nodes {
      id jobType status progress attempts maxAttempts leasedBy errorCode createdAt
      dataset { name }
      department { code }
    }
  }
}
"""

QUEUE = """
query Queue {
  queue {
    departments { waiting delayed running stuck limit oldestWaitingAt department { code } }
  }
}
"""

FOLLOW = """
subscription Follow($jobId: ID!, $after: String) {
  jobEvents(jobId: $jobId, after: $after) {
    cursor at kind status progress step message job { status errorCode errorMessage }
  }
}
"""

CANCEL = "mutation Cancel($id: ID!) { cancelJob(input: {jobId: $id}) { job { status } } }"

RETRY = "mutation Retry($id: ID!) { retryJob(input: {jobId: $id}) { job { id } } }"

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


async def show_list(
    client: Client, statuses: Sequence[str] | None, trouble: str | None, limit: int
) -> None:
    """Prints the newest jobs as a table, below the queue for whoever may operate it.

    Raises `GraphRefused` and `CommandFailed`.
    """
    wanted: dict[str, Any] = {}
    if statuses:
        wanted["status"] = [status.upper() for status in statuses]
    if trouble:
        wanted["trouble"] = trouble.upper()
    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width: nothing is to be cut off there.
        console.width = 300
    try:
        queue = (await client.ask(QUEUE))["queue"]["departments"]
    except GraphRefused as refused:
        if refused.code != "FORBIDDEN":
            raise
        queue = []
    found = await client.ask(LIST, {"first": limit, "filter": wanted})
    for each in queue:
        if each["waiting"] or each["delayed"] or each["running"]:
            console.print(_standing(each), highlight=False)
    table = Table(
        Column("id", no_wrap=True),
        "type",
        "status",
        Column("%", justify="right"),
        "attempts",
        "department",
        "dataset",
        "started",
        "worker or reason",
    )
    for job in found["jobs"]["nodes"]:
        table.add_row(
            job["id"],
            job["jobType"].lower(),
            job["status"].lower(),
            str(job["progress"]),
            f"{job['attempts']} of {job['maxAttempts']}",
            job["department"]["code"],
            (job["dataset"] or {}).get("name", ""),
            f"{_moment(job['createdAt']):%Y-%m-%d %H:%M:%S}",
            job["leasedBy"] or job["errorCode"] or "",
        )
    console.print(table)


async def follow(client: Client, job_id: str) -> AsyncGenerator[tuple[str, str | None], None]:
    """Gives each event of a job as a line, and the status with which it ended once it has."""
    async for event in client.follow(FOLLOW, {"jobId": job_id}):
        status = event["status"]
        words = [f"{_moment(event['at']):%H:%M:%S}", f"{event['progress'] or 0:3d} %"]
        words += [status.lower()] if status else []
        failed = status == "FAILED" and event["job"] is not None
        text = event["job"]["errorMessage"] if failed else event["message"] or event["step"]
        words += [text] if text else []
        yield "  ".join(words), status if status in FINAL else None


async def cancel(client: Client, job_id: str) -> str:
    """Cancels a job, and gives a sentence about it. Raises `GraphRefused`."""
    job = (await client.ask(CANCEL, {"id": job_id}))["cancelJob"]["job"]
    return "cancelled" if job["status"] == "CANCELLED" else "its worker was asked to stop it"


async def retry(client: Client, job_id: str) -> str:
    """Does a job again, and gives the new one's id. Raises `GraphRefused`."""
    return str((await client.ask(RETRY, {"id": job_id}))["retryJob"]["job"]["id"])


def _standing(queue: dict[str, Any]) -> str:
    said = (
        f"{queue['department']['code']}: {queue['running']} of {queue['limit']} running, "
        f"{queue['waiting']} waiting, {queue['delayed']} to be tried again later"
    )
    if queue["oldestWaitingAt"]:
        said += f", the oldest since {_moment(queue['oldestWaitingAt']):%Y-%m-%d %H:%M:%S}"
    return f"{said}, {queue['stuck']} stuck" if queue["stuck"] else said


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()
