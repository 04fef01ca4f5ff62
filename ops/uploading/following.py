"""Follows what becomes of an uploaded file: its validation, then its etl, to the end of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ops.client import Client

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})

FOLLOW = """
subscription Follow($datasetId: ID!, $after: String) {
  jobEvents(datasetId: $datasetId, after: $after) {
    cursor
    status
    progress
    step
    message
    job { id jobType errorCode errorMessage }
  }
}
"""

SUMMARY = """
query Summary($id: ID!) {
  dataset(id: $id) {
    id
    name
    results(first: 1, filter: {resultType: ["etl_summary"]}) { nodes { payload } }
  }
}
"""


@dataclass(frozen=True, slots=True)
class News:
    """One event: which work it is about, how far that is, and whether it has ended."""

    job_type: str
    progress: int
    status: str | None
    text: str | None
    error_code: str | None

    @property
    def ended(self) -> bool:
        """Whether this work has ended with it."""
        return self.status in FINAL


async def follow_dataset(client: Client, dataset_id: str) -> AsyncGenerator[News, None]:
    """Gives what happens to the jobs of a new dataset, until the last of them has ended.

    That is the etl, or a validation that did not succeed. Raises as `Client.follow` does.
    """
    async for event in client.follow(FOLLOW, {"datasetId": dataset_id}):
        job = event["job"]
        if job is None:
            # The dataset was deleted, or the caller sees its department no longer: the stream's
            # next look says so.
            continue
        failed = event["status"] == "FAILED"
        text = job["errorMessage"] if failed else event["message"] or event["step"]
        yield News(
            job["jobType"].lower(),
            int(event["progress"] or 0),
            event["status"],
            text,
            job["errorCode"] if failed else None,
        )
        if event["status"] in FINAL and (job["jobType"] == "ETL" or event["status"] != "SUCCEEDED"):
            return


async def summary_of(client: Client, dataset_id: str) -> dict[str, Any] | None:
    """Reads the newest `etl_summary` of a dataset, or None where there is none to be seen."""
    dataset = (await client.ask(SUMMARY, {"id": dataset_id}))["dataset"]
    nodes = dataset["results"]["nodes"] if dataset else []
    return dict(nodes[0]["payload"]) if nodes else None
