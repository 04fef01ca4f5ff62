"""A client that starts work and keeps a ledger of it, whatever becomes of its connections."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from ops.client import Client, GraphRefused
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

START = "mutation ($input: StartJobInput!) { startJob(input: $input) { job { id } } }"
CANCEL = "mutation ($input: CancelJobInput!) { cancelJob(input: $input) { job { id } } }"
CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    upload { id parts { method url headers { name value } } }
    dataset { id }
  }
}
"""
RESUME = """
mutation ($input: ResumeUploadInput!) {
  resumeUpload(input: $input) {
    upload { id parts { method url headers { name value } } }
    dataset { id }
  }
}
"""
COMPLETE = """
mutation ($input: CompleteUploadInput!) {
  completeUpload(input: $input) { dataset { id } job { id } }
}
"""
PAUSE_SECONDS = 0.3


@dataclass
class Ledger:
    """What the client asked for and what it was told, in global ids."""

    jobs: dict[str, str] = field(default_factory=dict)
    """The job that each idempotency key of startJob was answered with."""
    uploads: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The dataset and the validation of each idempotency key of createUpload."""
    cancelled: set[str] = field(default_factory=set)
    """Jobs whose cancelling was acknowledged."""


class Starter:
    """One person's client."""

    def __init__(
        self, client: Client, department: str, ledger: Ledger, refusals: Counter[str], seed: str
    ) -> None:
        self._client = client
        self._department = department
        self._ledger = ledger
        self._refusals = refusals
        self._random = random.Random(seed)  # noqa: S311 (a plan that can be repeated)

    async def upload(self, key: str) -> str:
        """Brings a small file, and gives its dataset; every tenth can't be read."""
        ending, content = self._file(key)
        given = {
            "fileName": f"{key}.{ending}",
            "sizeBytes": len(content),
            "department": self._department,
            "idempotencyKey": key,
        }
        made = (await self._ask(CREATE, given))["createUpload"]
        while True:
            await self._send(made["upload"]["parts"], content)
            try:
                done = (await self._ask(COMPLETE, {"uploadId": made["upload"]["id"]}))[
                    "completeUpload"
                ]
            except GraphRefused as refused:
                if refused.code != "CONFLICT":
                    raise
                made = (await self._ask(RESUME, {"uploadId": made["upload"]["id"]}))["resumeUpload"]
                continue
            self._ledger.uploads[key] = (done["dataset"]["id"], done["job"]["id"])
            return str(done["dataset"]["id"])

    async def light(self, key: str, dataset_id: str, seconds: float) -> str:
        """Starts a light job, and gives it; a few are cancelled soon after."""
        given = {
            "datasetId": dataset_id,
            "jobType": "CONVERSION",
            "params": {"seconds": seconds, "steps": self._random.randint(1, 3)},
            "priority": self._random.randint(1, 10),
            "idempotencyKey": key,
        }
        job_id = str((await self._ask(START, given))["startJob"]["job"]["id"])
        self._ledger.jobs[key] = job_id
        if self._random.random() < 0.05:
            await asyncio.sleep(self._random.random())
            try:
                await self._ask(CANCEL, {"jobId": job_id})
            except GraphRefused as refused:
                if refused.code != "CONFLICT":
                    raise
            else:
                self._ledger.cancelled.add(job_id)
        return job_id

    async def _ask(self, mutation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Asks again with the same key for as long as nobody knows what was done."""
        while True:
            try:
                return await self._client.ask(mutation, {"input": given})
            except GraphRefused as refused:
                self._refusals[refused.code] += 1
                if refused.code not in {"UNAVAILABLE", "INTERNAL"}:
                    raise
            except CommandFailed:
                self._refusals["no answer"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, parts: list[Any], content: bytes) -> None:
        for part in parts:
            while True:
                try:
                    async with httpx.AsyncClient(timeout=15, trust_env=False) as http:
                        answer = await http.request(
                            part["method"],
                            part["url"],
                            content=content,
                            headers={h["name"]: h["value"] for h in part["headers"]},
                        )
                    if answer.is_success:
                        break
                    self._refusals[f"S3 {answer.status_code}"] += 1
                except httpx.TransportError:
                    self._refusals["S3 no answer"] += 1
                await asyncio.sleep(PAUSE_SECONDS)

    def _file(self, key: str) -> tuple[str, bytes]:
        if self._random.random() < 0.1:
            return "json", f'[{{"broken": "{key}"'.encode()
        lines = "".join(f"{number},{self._random.random():.6f},{key}\n" for number in range(200))
        return "csv", f"number,value,origin\n{lines}".encode()
