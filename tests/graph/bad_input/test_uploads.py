"""Promises that are broken, and uploads that are not the caller's to complete."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from graph.scalars import decoded_id, encoded_id
from tests.factories.unchanged import nothing_changes, nothing_else_changes
from tests.graph.bad_input import files
from tests.graph.bad_input.conftest import client_of, stopped_worker
from tests.graph.uploads import COMPLETE, CREATE, fetch, send

if TYPE_CHECKING:
    from domain.storage import Storage
    from tests.factories.rows import Person, Rows
    from tests.graph.uploads import Client
    from tests.product import Product

GiB = 1024**3

RESUME = """
mutation ($input: ResumeUploadInput!) {
  resumeUpload(input: $input) { upload { status parts { number } } }
}
"""
ABORT = """
mutation ($input: AbortUploadInput!) { abortUpload(input: $input) { upload { status } } }
"""
START = "mutation ($input: StartJobInput!) { startJob(input: $input) { job { id } } }"


async def key_of(owner: Any, upload: str) -> str:
    key: str = await owner.fetchval(
        "select s3_key from uploads where id = $1", decoded_id(upload)[1]
    )
    return key


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"sizeBytes": 0}, "sizeBytes", "empty"),
        ({"sizeBytes": -1}, "sizeBytes", "empty"),
        ({"sizeBytes": 50 * GiB + 1}, "sizeBytes", "too_large"),
        ({"sha256": "abc"}, "sha256", "not_a_sha256"),
        ({"fileName": "photo.png"}, "fileName", "unknown_file_type"),
        ({"fileName": "../../.."}, "fileName", "empty"),
        ({"contentType": "text/csv\r\nx-injected: 1"}, "contentType", "not_a_content_type"),
        ({"name": "\x1b[31m"}, "name", "bad_character"),
    ],
)
async def test_refuses_a_promise_that_can_not_be_kept(
    client: Client, owner: Any, given: dict[str, Any], path: str, code: str
) -> None:
    promise = {"fileName": "table.csv", "sizeBytes": 10} | given
    async with nothing_changes(owner):
        error = await client.refusal(CREATE, {"input": promise})
    assert error["extensions"]["code"] == "INVALID_INPUT"
    (field,) = error["extensions"]["fieldErrors"]
    assert (field["path"], field["code"]) == ([path], code)
    assert field["message"] == error["message"]


@pytest.mark.parametrize("size", ["10", 1.5, 2**53, True, None])
async def test_refuses_a_size_that_is_no_number_of_bytes(
    client: Client, owner: Any, size: object
) -> None:
    async with nothing_changes(owner):
        error = await client.refusal(
            CREATE, {"input": {"fileName": "table.csv", "sizeBytes": size}}
        )
    assert error["extensions"]["code"] == "INVALID_INPUT"


async def test_nothing_sent_completes_nothing(client: Client, owner: Any) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    upload, part = made["upload"]["id"], made["upload"]["parts"][0]
    assert (await send(part, b"")).status_code == 403
    async with nothing_changes(owner):
        error = await client.refused_completion(upload)
    assert error["extensions"]["code"] == "CONFLICT"
    assert error["extensions"]["fieldErrors"][0]["code"] == "missing_parts"
    assert error["message"] == "Nothing has arrived. Send the file, then complete the upload again."
    assert (await send(part, content)).is_success
    await client.complete(upload)
    assert (await client.ended(made["dataset"]["id"], jobs=2))["status"] == "COMPLETED"


async def test_another_size_than_promised_completes_nothing(
    client: Client, owner: Any, storage: Storage
) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    upload, part = made["upload"]["id"], made["upload"]["parts"][0]
    assert (await send(part, content[:-1])).status_code == 403
    assert (await send(part, content + b"\n")).status_code == 403
    # An object storage that does not hold requests to the signed size lets this through.
    await storage._client.put_object(
        Bucket=storage.bucket, Key=await key_of(owner, upload), Body=content[:-1]
    )
    async with nothing_changes(owner):
        error = await client.refused_completion(upload)
    assert error["extensions"]["code"] == "CONFLICT"
    assert error["extensions"]["fieldErrors"][0]["code"] == "wrong_size"
    assert (
        f"{len(content) - 1} bytes have arrived, but {len(content)} were promised"
        in (error["message"])
    )
    assert (await send(part, content)).is_success
    await client.complete(upload)
    dataset = await client.ended(made["dataset"]["id"], jobs=2)
    assert dataset["fileHashSha256"] == hashlib.sha256(content).hexdigest()


async def test_five_gigabytes_promised_and_five_kilobytes_sent(
    client: Client, owner: Any, storage: Storage
) -> None:
    made = await client.promise("orders.csv", 5 * GiB)
    upload, parts = made["upload"]["id"], made["upload"]["parts"]
    assert [part["number"] for part in parts] == list(range(1, 81))
    assert sum(part["sizeBytes"] for part in parts) == 5 * GiB
    sent = b"x" * 5 * 1024
    assert (await send(parts[0], sent)).status_code == 403
    key = await key_of(owner, upload)
    (opened,) = await storage.list_multiparts(key)
    # As above: a storage that takes any size.
    stored = await storage._client.upload_part(
        Bucket=storage.bucket, Key=key, UploadId=opened.multipart_id, PartNumber=1, Body=sent
    )
    claims: list[list[dict[str, Any]] | None] = [None, [{"number": 1, "etag": stored["ETag"]}]]
    for claimed in claims:
        async with nothing_changes(owner):
            error = await client.refusal(
                COMPLETE, {"input": {"uploadId": upload, "parts": claimed}}
            )
        assert error["extensions"]["code"] == "CONFLICT"
        assert error["extensions"]["fieldErrors"][0]["code"] == "missing_parts"
        assert error["message"].startswith("80 of 80 parts have not arrived in full: 1, 2, 3,")
        assert error["message"].endswith("Send them, then complete the upload again.")
    resumed = (await client.data(RESUME, {"input": {"uploadId": upload}}))["resumeUpload"]
    assert [part["number"] for part in resumed["upload"]["parts"]] == list(range(1, 81))
    assert (await client.dataset(made["dataset"]["id"]))["status"] == "UPLOADING"
    await client.data(ABORT, {"input": {"uploadId": upload}})
    assert await storage.list_multiparts(key) == []


async def test_an_expired_upload_takes_nothing_more(client: Client, owner: Any) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    upload = made["upload"]["id"]
    expire = "update uploads set expires_at = now() + $2::interval where id = $1"
    await owner.execute(expire, decoded_id(upload)[1], timedelta(seconds=-1))
    async with nothing_changes(owner):
        for mutation in (COMPLETE, RESUME):
            error = await client.refusal(mutation, {"input": {"uploadId": upload}})
            assert error["extensions"]["code"] == "CONFLICT"
            assert error["message"] == "This upload has expired. Start a new one."
    await client.data(ABORT, {"input": {"uploadId": upload}})
    # The sweeper would clear what is past its time while other tests compare.
    await owner.execute(expire, decoded_id(upload)[1], timedelta(hours=1))


async def test_an_aborted_upload_takes_nothing_more(client: Client, owner: Any) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    upload = made["upload"]["id"]
    await client.data(ABORT, {"input": {"uploadId": upload}})
    assert (await send(made["upload"]["parts"][0], content)).is_success
    async with nothing_changes(owner):
        for mutation in (COMPLETE, RESUME):
            error = await client.refusal(mutation, {"input": {"uploadId": upload}})
            assert error["extensions"]["code"] == "CONFLICT"
            assert "Start a new one." in error["message"]
        again = await client.data(ABORT, {"input": {"uploadId": upload}})
    assert again["abortUpload"]["upload"]["status"] == "ABORTED"


async def test_the_upload_of_another_department_does_not_exist(
    client: Client, stranger: Client, owner: Any
) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    assert (await send(made["upload"]["parts"][0], content)).is_success
    unknown = encoded_id("Upload", uuid4())
    async with nothing_changes(owner):
        for mutation in (COMPLETE, RESUME, ABORT):
            foreign = await stranger.refusal(
                mutation, {"input": {"uploadId": made["upload"]["id"]}}
            )
            missing = await stranger.refusal(mutation, {"input": {"uploadId": unknown}})
            other = await client.refusal(mutation, {"input": {"uploadId": made["dataset"]["id"]}})
            for error in (foreign, missing, other):
                assert error["extensions"].pop("requestId")
                assert error["extensions"] == {"code": "NOT_FOUND"}
            assert foreign == missing
    await client.data(ABORT, {"input": {"uploadId": made["upload"]["id"]}})


async def test_a_colleague_does_not_complete_it(
    client: Client, served: Product, person: Person, rows: Rows, owner: Any
) -> None:
    department = await owner.fetchval(
        "select department_id from user_departments where user_id = $1", person.id
    )
    colleague = client_of(served, await rows.person(department, roles=("editor",)))
    content = files.table()
    made = await client.promise("table.csv", len(content))
    assert (await send(made["upload"]["parts"][0], content)).is_success
    async with nothing_changes(owner):
        for mutation in (COMPLETE, RESUME, ABORT):
            error = await colleague.refusal(mutation, {"input": {"uploadId": made["upload"]["id"]}})
            assert error["extensions"]["code"] == "FORBIDDEN"
    await client.complete(made["upload"]["id"])
    assert (await client.ended(made["dataset"]["id"], jobs=2))["status"] == "COMPLETED"


async def test_bytes_that_are_swapped_before_they_are_copied_break_the_promise(
    client: Client, served: Product, owner: Any
) -> None:
    content = files.table()
    other = content.replace(b"word", b"evil")
    promised = hashlib.sha256(content).hexdigest()
    async with nothing_else_changes(owner) as own:
        made = await client.promise("table.csv", len(content), sha256=promised)
        own.append(decoded_id(made["dataset"]["id"])[1])
        part = made["upload"]["parts"][0]
        assert (await send(part, content)).is_success
        with stopped_worker(served):
            await client.complete(made["upload"]["id"])
            assert (await send(part, other)).is_success
        dataset = await client.ended(made["dataset"]["id"])
    (job,) = dataset["jobs"]["nodes"]
    assert (job["status"], job["errorCode"]) == ("FAILED", "HASH_MISMATCH")
    assert (dataset["status"], dataset["rowCount"]) == ("FAILED", None)
    assert await fetch(dataset["raw"]["url"]) == other


async def test_a_picture_that_is_swapped_in_is_no_table(client: Client, served: Product) -> None:
    picture = files.picture()
    content = b"a," * (len(picture) // 2)
    picture = picture[: len(content)]
    made = await client.promise("table.csv", len(content))
    part = made["upload"]["parts"][0]
    assert (await send(part, content)).is_success
    with stopped_worker(served):
        await client.complete(made["upload"]["id"])
        assert (await send(part, picture)).is_success
    (job,) = (await client.ended(made["dataset"]["id"]))["jobs"]["nodes"]
    assert (job["status"], job["errorCode"]) == ("FAILED", "NOT_THE_TYPE")
    assert "a PNG image" in job["errorMessage"]


async def test_bytes_that_are_swapped_after_they_are_copied_change_nothing(
    client: Client, owner: Any, storage: Storage
) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    part, key = made["upload"]["parts"][0], made["dataset"]["id"]
    assert (await send(part, content)).is_success
    await client.complete(made["upload"]["id"])
    before = await client.ended(key, jobs=2)
    async with nothing_changes(owner):
        assert (await send(part, content.replace(b"word", b"evil"))).is_success
        assert await fetch((await client.dataset(key))["raw"]["url"]) == content
    await client.data(START, {"input": {"datasetId": key, "jobType": "VALIDATION"}})
    after = await client.ended(key, jobs=4)
    assert {job["status"] for job in after["jobs"]["nodes"]} == {"SUCCEEDED"}
    assert (after["fileHashSha256"], after["columnNames"]) == (
        before["fileHashSha256"],
        ["word", "number"],
    )
    assert await storage.head(await key_of(owner, made["upload"]["id"])) is None


async def test_a_presigned_request_reaches_its_own_key_alone(
    client: Client, owner: Any, storage: Storage
) -> None:
    content = files.table()
    dataset = await client.ended(await client.upload("table.csv", content), jobs=2)
    raw = await owner.fetchval(
        "select s3_key_raw from datasets where id = $1", decoded_id(dataset["id"])[1]
    )
    made = await client.promise("table.csv", len(content))
    part = made["upload"]["parts"][0]
    key = await key_of(owner, made["upload"]["id"])
    for target in (raw, f"incoming/{uuid4()}"):
        moved = part | {"url": part["url"].replace(key, target)}
        assert (await send(moved, content.replace(b"word", b"evil"))).status_code == 403
    assert await fetch(dataset["raw"]["url"]) == content
    assert await storage.head(key) is None
    await client.data(ABORT, {"input": {"uploadId": made["upload"]["id"]}})
