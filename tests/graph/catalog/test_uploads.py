from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from graph.scalars import encoded_id
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    from tests.factories.rows import Person, Rows
    from tests.graph.catalog.conftest import Asker

MiB = 1024 * 1024
CONTENT = b"a,b\n1,2\n"
LARGE = os.urandom(6 * MiB).replace(b"\0", b"a")

OPEN = """
  upload {
    id status progress expiresAt
    parts { number url method headers { name value } sizeBytes }
    node { id fileName partCount arrivedPartCount owner { displayName } }
  }
  dataset { id name status fileType fileSizeBytes workspace { name isDefault } }
"""
CREATE = f"mutation ($input: CreateUploadInput!) {{ createUpload(input: $input) {{ {OPEN} }} }}"
RESUME = f"mutation ($input: ResumeUploadInput!) {{ resumeUpload(input: $input) {{ {OPEN} }} }}"
COMPLETE = """
mutation ($input: CompleteUploadInput!) {
  completeUpload(input: $input) {
    upload { status progress }
    dataset { id status uploadedAt }
    job { id jobType status dataset { id } }
  }
}
"""
ABORT = """
mutation ($input: AbortUploadInput!) {
  abortUpload(input: $input) { upload { id status dataset { id } } }
}
"""


async def send(parts: list[dict[str, Any]], content: bytes) -> list[dict[str, Any]]:
    """Sends parts as the README's clients do; gives their numbers and ETags."""
    sent = []
    async with httpx.AsyncClient(timeout=30) as client:
        for part in parts:
            start = (part["number"] - 1) * 5 * MiB
            answer = await client.request(
                part["method"],
                part["url"],
                content=content[start : start + part["sizeBytes"]],
                headers={header["name"]: header["value"] for header in part["headers"]},
            )
            assert answer.status_code == 200, answer.text
            sent.append({"number": part["number"], "etag": answer.headers["etag"]})
    return sent


def promise(content: bytes, **given: Any) -> dict[str, Any]:
    return {"fileName": "sales.csv", "sizeBytes": len(content), **given}


@pytest.mark.parametrize("content", [CONTENT, LARGE])
async def test_a_file_goes_from_its_promise_to_its_validation(
    asker: Asker, editor: Person, content: bytes
) -> None:
    made = (await asker.data(editor, CREATE, input=promise(content, name="March")))["createUpload"]
    assert (made["upload"]["status"], made["upload"]["progress"]) == ("UPLOADING", 0)
    assert made["dataset"]["status"] == "UPLOADING"
    assert (made["dataset"]["name"], made["dataset"]["fileType"]) == ("March", "CSV")
    assert made["dataset"]["fileSizeBytes"] == len(content)
    assert made["dataset"]["workspace"]["isDefault"] is True
    parts = made["upload"]["parts"]
    assert sum(part["sizeBytes"] for part in parts) == len(content)
    sent = await send(parts, content)
    given = {"uploadId": made["upload"]["id"], "parts": sent}
    done = (await asker.data(editor, COMPLETE, input=given))["completeUpload"]
    assert done["upload"] == {"status": "UPLOADED", "progress": 100}
    assert (done["dataset"]["id"], done["dataset"]["status"]) == (made["dataset"]["id"], "UPLOADED")
    assert (done["job"]["jobType"], done["job"]["status"]) == ("VALIDATION", "QUEUED")
    assert done["job"]["dataset"]["id"] == made["dataset"]["id"]
    again = await asker.data(editor, COMPLETE, input={"uploadId": made["upload"]["id"]})
    assert again["completeUpload"] == done


async def test_a_replay_answers_the_same_upload_with_fresh_requests(
    asker: Asker, editor: Person, owner: Any
) -> None:
    given = promise(LARGE, idempotencyKey="k")
    first = (await asker.data(editor, CREATE, input=given))["createUpload"]
    await owner.execute("select pg_sleep(1.1)")  # a signature's time has seconds
    second = (await asker.data(editor, CREATE, input=given))["createUpload"]
    assert first["upload"]["id"] == second["upload"]["id"]
    assert first["dataset"] == second["dataset"]
    assert first["upload"]["parts"][0]["url"] != second["upload"]["parts"][0]["url"]
    await send(second["upload"]["parts"], LARGE)
    other = promise(CONTENT, idempotencyKey="k")
    async with nothing_changes(owner):
        assert (await asker.refusal(editor, CREATE, input=other))["code"] == "CONFLICT"


async def test_resuming_answers_the_rest(asker: Asker, editor: Person) -> None:
    made = (await asker.data(editor, CREATE, input=promise(LARGE)))["createUpload"]
    await send(made["upload"]["parts"][:1], LARGE)
    given = {"uploadId": made["upload"]["id"]}
    refusal = await asker.refusal(editor, COMPLETE, input=given)
    assert refusal["code"] == "CONFLICT"
    assert refusal["fieldErrors"][0]["code"] == "missing_parts"
    rest = (await asker.data(editor, RESUME, input=given))["resumeUpload"]
    assert [part["number"] for part in rest["upload"]["parts"]] == [2]
    assert rest["upload"]["progress"] == 83
    assert rest["upload"]["node"]["arrivedPartCount"] == 1
    await send(rest["upload"]["parts"], LARGE)
    done = (await asker.data(editor, COMPLETE, input=given))["completeUpload"]
    assert done["job"] is not None


async def test_aborting_hides_the_dataset(asker: Asker, editor: Person) -> None:
    made = (await asker.data(editor, CREATE, input=promise(CONTENT)))["createUpload"]
    given = {"uploadId": made["upload"]["id"]}
    for _ in range(2):
        gone = (await asker.data(editor, ABORT, input=given))["abortUpload"]["upload"]
        assert gone == {"id": made["upload"]["id"], "status": "ABORTED", "dataset": None}
    for change in (RESUME, COMPLETE):
        assert (await asker.refusal(editor, change, input=given))["code"] == "CONFLICT"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"sizeBytes": 0}, ["sizeBytes"]),
        ({"sizeBytes": 2**53 - 1}, ["sizeBytes"]),
        ({"fileName": "photo.png"}, ["fileName"]),
        ({"sha256": "no hash"}, ["sha256"]),
        ({"name": " "}, ["name"]),
        ({"contentType": "a\r\nb"}, ["contentType"]),
    ],
)
async def test_bad_promises_name_the_field(
    asker: Asker, editor: Person, owner: Any, given: dict[str, Any], path: list[str]
) -> None:
    async with nothing_changes(owner):
        refusal = await asker.refusal(editor, CREATE, input=promise(CONTENT, **given))
    assert refusal["code"] == "INVALID_INPUT"
    assert [field["path"] for field in refusal["fieldErrors"]] == [path]


@pytest.mark.parametrize("size", [-1, 2**53, 1.5, "8", None])
async def test_a_size_is_a_whole_number(
    asker: Asker, editor: Person, owner: Any, size: object
) -> None:
    async with nothing_changes(owner):
        given = {"fileName": "sales.csv", "sizeBytes": size}
        assert (await asker.refusal(editor, CREATE, input=given))["code"] == "INVALID_INPUT"


async def test_a_part_is_named_once(asker: Asker, editor: Person, owner: Any) -> None:
    made = (await asker.data(editor, CREATE, input=promise(CONTENT)))["createUpload"]
    parts = [{"number": 1, "etag": "a"}, {"number": 1, "etag": "b"}]
    given = {"uploadId": made["upload"]["id"], "parts": parts}
    async with nothing_changes(owner):
        refusal = await asker.refusal(editor, COMPLETE, input=given)
    assert refusal["fieldErrors"][0]["path"] == ["parts"]


async def test_others_find_nothing_and_change_nothing(
    asker: Asker, editor: Person, owner: Any, rows: Rows, department: UUID
) -> None:
    made = (await asker.data(editor, CREATE, input=promise(CONTENT)))["createUpload"]
    there = await rows.department()
    stranger = await rows.person(there, roles=("admin",))
    viewer = await rows.person(department, roles=("viewer",))
    workspace = await rows.workspace(department, editor.id)
    code = await owner.fetchval("select code from departments where id = $1", department)
    given = {"uploadId": made["upload"]["id"]}
    async with nothing_changes(owner):
        for change in (RESUME, COMPLETE, ABORT):
            assert (await asker.refusal(stranger, change, input=given))["code"] == "NOT_FOUND"
            assert (await asker.refusal(viewer, change, input=given))["code"] == "FORBIDDEN"
            for bad in ("", "nonsense", encoded_id("Dataset", department)):
                refused = await asker.refusal(editor, change, input={"uploadId": bad})
                assert refused["code"] == "NOT_FOUND"
        for wrong in (
            {"department": code},
            {"department": encoded_id("Department", department)},
            {"workspaceId": encoded_id("Workspace", workspace.id)},
        ):
            refused = await asker.refusal(stranger, CREATE, input=promise(CONTENT, **wrong))
            assert refused["code"] == "NOT_FOUND"
        refused = await asker.refusal(viewer, CREATE, input=promise(CONTENT))
        assert refused["code"] == "FORBIDDEN"


async def test_names_the_department_by_code_or_id(asker: Asker, rows: Rows, owner: Any) -> None:
    above = await rows.department()
    below = await rows.department(above)
    person = await rows.person(above, roles=("editor",))
    code = await owner.fetchval("select code from departments where id = $1", below)
    ask = """
      mutation ($input: CreateUploadInput!) {
        createUpload(input: $input) { dataset { department { code } } }
      }
    """
    for name in (code, encoded_id("Department", below)):
        made = await asker.data(person, ask, input=promise(CONTENT, department=name))
        assert made["createUpload"]["dataset"]["department"]["code"] == code
    narrowed = await asker.ask(person, ask, {"input": promise(CONTENT)}, department=code)
    assert narrowed["data"]["createUpload"]["dataset"]["department"]["code"] == code
    refused = await asker.refusal(person, ask, input=promise(CONTENT))
    assert refused["fieldErrors"][0]["path"] == ["department"]
