"""The main job end to end: real files of each department, followed live to their results.

What is expected of them is counted here by Python's own csv module, not by the product's engines.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.workers.engines.schemas import faults

if TYPE_CHECKING:
    from tests.product import Product

DATA = Path(__file__).parent.parent / "data"

CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    upload { id parts { number url method headers { name value } sizeBytes } }
    dataset { id status }
  }
}
"""
COMPLETE = """
mutation ($input: CompleteUploadInput!) {
  completeUpload(input: $input) { dataset { id status } job { id jobType status } }
}
"""
FOLLOW = """
subscription ($dataset: ID!, $after: String) {
  jobEvents(datasetId: $dataset, after: $after) {
    cursor kind status progress step message job { id jobType status }
  }
}
"""
DATASET = """
query ($id: ID!) {
  dataset(id: $id) {
    status rowCount columnCount columnNames fileHashSha256 validationErrors
    jobs(orderBy: {direction: ASC}) {
      nodes { jobType status attempts jobAttempts { nodes { attempt outcome } } }
    }
    results { nodes { resultType payload } totalCount }
    downloadUrl(kind: REJECTS) { url }
  }
}
"""


@dataclass(frozen=True)
class Expected:
    """What a plain reader makes of a file."""

    rows: int
    kept: int
    rejected_lines: list[int]
    header: list[str]


def counted(path: Path) -> Expected:
    """Counts a file's records with the csv module; those of another width are rejected."""
    (_, header), *records = csv_records(path.read_bytes().decode("utf-8-sig"))
    rejected = [line for line, fields in records if len(fields) != len(header)]
    names = [name.strip() for name in header]
    return Expected(len(records), len(records) - len(rejected), rejected, names)


def csv_records(text: str) -> list[tuple[int, list[str]]]:
    """Each record with the number of the physical line that it starts on."""
    lines = text.splitlines(keepends=True)
    reader = csv.reader(lines)
    found = []
    start = 1
    for fields in reader:
        if fields:
            found.append((start, fields))
        start = reader.line_num + 1
    return found


async def uploaded(served: Product, token: str, path: Path, department: str) -> str:
    """Uploads a file straight to object storage and gives its dataset's id."""
    content = path.read_bytes()
    given = {
        "name": path.stem,
        "fileName": path.name,
        "contentType": "text/csv",
        "sizeBytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "department": department,
    }
    made = (await served.data(CREATE, {"input": given}, token=token))["createUpload"]
    parts = made["upload"]["parts"]
    assert len(parts) == 1
    async with httpx.AsyncClient(trust_env=False) as client:
        put = await client.request(
            parts[0]["method"],
            parts[0]["url"],
            headers={h["name"]: h["value"] for h in parts[0]["headers"]},
            content=content,
        )
    assert put.is_success, put.text
    etag = put.headers["etag"]
    done = {"uploadId": made["upload"]["id"], "parts": [{"number": 1, "etag": etag}]}
    completed = (await served.data(COMPLETE, {"input": done}, token=token))["completeUpload"]
    assert completed["job"]["jobType"] == "VALIDATION"
    dataset: str = completed["dataset"]["id"]
    return dataset


async def followed(served: Product, token: str, dataset: str) -> list[dict[str, Any]]:
    """Follows a dataset's jobs live until its insight is made."""
    seen = []
    async for payload in served.follow(FOLLOW, {"dataset": dataset}, token=token):
        assert "errors" not in payload, payload
        event = payload["data"]["jobEvents"]
        seen.append(event)
        ended = event["status"] in ("SUCCEEDED", "FAILED", "CANCELLED")
        last = event["job"]["jobType"] == "ML_INFERENCE"
        if ended and (last or event["status"] != "SUCCEEDED"):
            break
    return seen


@pytest.mark.parametrize(
    ("department", "name", "expected_rows", "expected_kept"),
    [
        ("sales", "sales_online_retail.csv", 8373, 8254),
        ("finance", "finance_credit_default.csv", 30000, 30000),
        ("supply", "supply_dataco_orders.csv", 10000, 10000),
    ],
)
async def test_follows_a_real_file_to_its_results(
    served: Product, department: str, name: str, expected_rows: int, expected_kept: int
) -> None:
    path = DATA / name
    expected = counted(path)
    assert (expected.rows, expected.kept) == (expected_rows, expected_kept)
    token = await served.token(f"{department}@aetherflow.local")

    dataset = await uploaded(served, token, path, department)
    events = await followed(served, token, dataset)

    assert events[-1]["status"] == "SUCCEEDED", events[-1]
    statuses = [(e["job"]["jobType"], e["status"]) for e in events if e["kind"] == "STATUS"]
    assert statuses[-6:] == [
        ("ETL", "QUEUED"),
        ("ETL", "PROCESSING"),
        ("ETL", "SUCCEEDED"),
        ("ML_INFERENCE", "QUEUED"),
        ("ML_INFERENCE", "PROCESSING"),
        ("ML_INFERENCE", "SUCCEEDED"),
    ]
    found = (await served.data(DATASET, {"id": dataset}, token=token))["dataset"]
    assert found["status"] == "COMPLETED"
    assert found["rowCount"] == expected.kept
    assert found["columnNames"] == expected.header
    assert found["fileHashSha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(j["jobType"], j["status"], j["attempts"]) for j in found["jobs"]["nodes"]] == [
        ("VALIDATION", "SUCCEEDED", 1),
        ("ETL", "SUCCEEDED", 1),
        ("ML_INFERENCE", "SUCCEEDED", 1),
    ]
    results = {each["resultType"]: each["payload"] for each in found["results"]["nodes"]}
    assert found["results"]["totalCount"] == len(results) == 3
    summary, insight = results["etl_summary"], results["department_insight"]
    assert summary["rows"] == {
        "read": expected.rows,
        "kept": expected.kept,
        "rejected": len(expected.rejected_lines),
    }
    assert faults("department_insight.v1.json", insight) == []
    assert (insight["insight"], insight["rows"]) == (department, expected.kept)
    if department == "supply":
        types = {c["name"]: c["type"] for c in summary["columns"]}
        times = [n for n in types if "date" in n.lower()]
        assert len(times) == 2
        assert {types[n] for n in times} == {"timestamp"}
    await check_rejects(found["downloadUrl"], expected)


async def check_rejects(download: dict[str, str] | None, expected: Expected) -> None:
    if not expected.rejected_lines:
        assert download is None
        return
    assert download is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(download["url"])
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["line"] for line in lines] == expected.rejected_lines
    assert all(line["reason"] and line["text"] for line in lines)
