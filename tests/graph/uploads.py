"""What a client does to bring a file: promise it, send it, complete it, and wait for its jobs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from tests.product import Product

CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    upload { id status parts { number url method headers { name value } sizeBytes } }
    dataset { id status }
  }
}
"""
COMPLETE = """
mutation ($input: CompleteUploadInput!) {
  completeUpload(input: $input) { dataset { id status } job { id jobType status } }
}
"""
DATASET = """
query ($id: ID!) {
  dataset(id: $id) {
    id name status rowCount columnCount columnNames fileHashSha256 validationErrors
    jobs(orderBy: {direction: ASC}) {
      nodes { id jobType status attempts errorCode errorMessage errorTraceback retryOf { id } }
    }
    results { nodes { resultType payload } }
    raw: downloadUrl(kind: RAW) { url }
    rejects: downloadUrl(kind: REJECTS) { url }
  }
}
"""
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Client:
    """A signed-in user of the running product, who brings files.

    ``department`` is named where the user sees several.
    """

    served: Product
    token: str
    department: str | None = None

    async def data(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends an operation that must succeed, and gives its data."""
        return await self.served.data(query, variables, token=self.token)

    async def refusal(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends an operation that must be refused, and gives its first error."""
        return await self.served.refusal(query, variables, token=self.token)

    async def promise(self, file_name: str, size: int, **given: Any) -> dict[str, Any]:
        """Promises a file; gives the upload and the dataset."""
        promised = {
            "fileName": file_name,
            "sizeBytes": size,
            "department": self.department,
            **given,
        }
        made: dict[str, Any] = (await self.data(CREATE, {"input": promised}))["createUpload"]
        return made

    async def complete(self, upload: str) -> dict[str, Any]:
        """Completes an upload whose bytes are there."""
        done = await self.data(COMPLETE, {"input": {"uploadId": upload}})
        made: dict[str, Any] = done["completeUpload"]
        return made

    async def refused_completion(self, upload: str) -> dict[str, Any]:
        """The error of completing an upload that must be refused."""
        return await self.refusal(COMPLETE, {"input": {"uploadId": upload}})

    async def upload(self, file_name: str, content: bytes, **given: Any) -> str:
        """Promises, sends and completes a file; gives its dataset's id."""
        made = await self.promise(file_name, len(content), **given)
        answer = await send(made["upload"]["parts"][0], content)
        assert answer.is_success, answer.text
        await self.complete(made["upload"]["id"])
        dataset: str = made["dataset"]["id"]
        return dataset

    async def dataset(self, key: str) -> dict[str, Any]:
        """What the graph says of a dataset."""
        found: dict[str, Any] = (await self.data(DATASET, {"id": key}))["dataset"]
        return found

    async def ended(self, key: str, *, jobs: int | None = 1, seconds: float = 60) -> dict[str, Any]:
        """The dataset once its jobs have ended and none follows; ``jobs`` is how many it has then
        that change it, None for any number. None of the insights that follow them has failed.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = await self.dataset(key)
            nodes = found["jobs"]["nodes"]
            # What follows a job is queued by the commit that ends it, all others by who waits here.
            if all(job["status"] in FINAL for job in nodes):
                insights = [job for job in nodes if job["jobType"] == "ML_INFERENCE"]
                assert jobs is None or len(nodes) - len(insights) == jobs, found
                assert all(job["status"] != "FAILED" for job in insights), found
                return found
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)


async def send(part: dict[str, Any], content: bytes) -> httpx.Response:
    """Sends bytes with a presigned request."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        return await client.request(
            part["method"],
            part["url"],
            headers={header["name"]: header["value"] for header in part["headers"]},
            content=content,
        )


async def fetch(url: str) -> bytes:
    """Fetches an object by its short-lived address."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(url)
    assert answer.is_success, answer.text
    return answer.content
