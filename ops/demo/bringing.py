"""Brings a department's file to its insight: uploads it, or finds what an earlier demo brought."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ops.failure import CommandFailed
from ops.uploading.file import read_file
from ops.uploading.following import FINAL, FOLLOW, News
from ops.uploading.sending import Wanted, begin_upload, finish_upload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.client import Client
    from ops.uploading.file import LocalFile

    Shown = Callable[[News], None]
    """Shown what happens next."""

INSIGHT = "ml_inference"
UPLOAD = "upload"

KNOWN = """
query Known($name: String, $after: String) {
  datasets(first: 100, after: $after, filter: {nameContains: $name}) {
    nodes {
      id
      status
      fileHashSha256
      results(first: 1, filter: {resultType: ["department_insight"]}) { nodes { id } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

START = """
mutation Explain($input: StartJobInput!) { startJob(input: $input) { job { id } } }
"""

FOLLOW_JOB = FOLLOW.replace("$datasetId: ID!", "$jobId: ID!").replace(
    "datasetId: $datasetId", "jobId: $jobId"
)

FOUND = """
query Found($id: ID!) {
  dataset(id: $id) {
    name
    results(first: 1, filter: {resultType: ["department_insight"]}) { nodes { payload } }
  }
}
"""


async def bring(client: Client, department: str, path: Path, shown: Shown) -> str:
    """Gives the id of the dataset with these bytes, once it has its insight.

    Bytes that the department has already are not sent again: the product would refuse them as a
    duplicate. Raises `CommandFailed` for work that did not succeed.
    """
    file = await asyncio.to_thread(read_file, path, lambda _size: None)
    # It is looked for by its name first. The rest is gone through when it turns out to be there
    # under another one, or was brought by another demo meanwhile.
    for name in (path.name, None):
        known = await _known(client, file.sha256, name)
        if known is not None:
            return await _explained(client, known, shown)
        dataset_id = await _uploaded(client, department, file, shown)
        news = await _followed(client, FOLLOW, {"datasetId": dataset_id}, shown)
        if news.error_code != "DUPLICATE":
            break
    return _succeeded(news, dataset_id)


async def insight_of(client: Client, dataset_id: str) -> tuple[str, dict[str, Any]]:
    """The name of a dataset and its newest insight."""
    dataset = (await client.ask(FOUND, {"id": dataset_id}))["dataset"]
    return dataset["name"], dataset["results"]["nodes"][0]["payload"]


async def _known(client: Client, sha256: str, name: str | None) -> dict[str, Any] | None:
    after = None
    while True:
        page = (await client.ask(KNOWN, {"name": name, "after": after}))["datasets"]
        for node in page["nodes"]:
            if node["fileHashSha256"] == sha256 and node["status"] != "FAILED":
                return dict(node)
        if not page["pageInfo"]["hasNextPage"]:
            return None
        after = page["pageInfo"]["endCursor"]


async def _explained(client: Client, known: dict[str, Any], shown: Shown) -> str:
    dataset_id = str(known["id"])
    if known["results"]["nodes"]:
        shown(News(UPLOAD, 100, "SUCCEEDED", "These bytes are here already.", None))
        for done in ("validation", "etl", INSIGHT):
            shown(News(done, 100, "SUCCEEDED", None, None))
        return dataset_id
    if known["status"] != "COMPLETED":
        # The worker is still at it, because the demo that brought the bytes was cut off.
        return _succeeded(
            await _followed(client, FOLLOW, {"datasetId": dataset_id}, shown), dataset_id
        )
    given = {"datasetId": dataset_id, "jobType": "ML_INFERENCE"}
    job_id = (await client.ask(START, {"input": given}))["startJob"]["job"]["id"]
    return _succeeded(await _followed(client, FOLLOW_JOB, {"jobId": job_id}, shown), dataset_id)


async def _uploaded(client: Client, department: str, file: LocalFile, shown: Shown) -> str:
    wanted = Wanted(department)
    upload = await begin_upload(client, file, wanted)
    sent = file.size - upload.missing_bytes

    def count(size: int) -> None:
        nonlocal sent
        sent += size
        shown(News(UPLOAD, 100 * sent // file.size, None, None, None))

    await finish_upload(client, file, wanted, upload, count)
    shown(News(UPLOAD, 100, "SUCCEEDED", f"{file.size:,} bytes are in object storage.", None))
    return upload.dataset_id


async def _followed(client: Client, query: str, topic: dict[str, str], shown: Shown) -> News:
    """Shows what happens until the insight is there, or something has failed; gives the last."""
    async for event in client.follow(query, topic):
        job = event["job"]
        if job is None:
            break
        failed = event["status"] == "FAILED"
        news = News(
            job["jobType"].lower(),
            int(event["progress"] or 0),
            event["status"],
            job["errorMessage"] if failed else event["message"] or event["step"],
            job["errorCode"] if failed else None,
        )
        shown(news)
        if news.ended and (news.job_type == INSIGHT or news.status != "SUCCEEDED"):
            return news
    message = "the demo's dataset was deleted while it was worked on."
    raise CommandFailed(message)


def _succeeded(news: News, dataset_id: str) -> str:
    if news.status in FINAL - {"SUCCEEDED"}:
        message = f"{news.job_type} {(news.status or '').lower()}: {news.text}"
        raise CommandFailed(message)
    return dataset_id
