"""Doing things twice, too late, or to what others have: each is refused, or changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from graph.scalars import decoded_id
from tests.factories.unchanged import nothing_changes, nothing_else_changes
from tests.graph.bad_input import files
from tests.graph.bad_input.conftest import client_of, stopped_worker
from tests.graph.uploads import CREATE, fetch, send

if TYPE_CHECKING:
    from domain.storage import Storage
    from tests.factories.rows import Person, Rows
    from tests.graph.uploads import Client
    from tests.product import Product

START = """
mutation ($input: StartJobInput!) { startJob(input: $input) { job { id status } } }
"""
RETRY = """
mutation ($input: RetryJobInput!) { retryJob(input: $input) { job { id retryOf { id } } } }
"""
CANCEL = "mutation ($input: CancelJobInput!) { cancelJob(input: $input) { job { status } } }"
DELETE = """
mutation ($input: DeleteDatasetInput!) { deleteDataset(input: $input) { deletedDatasetId } }
"""
ABORT = "mutation ($input: AbortUploadInput!) { abortUpload(input: $input) { upload { id } } }"
WORKSPACE = """
mutation ($input: CreateWorkspaceInput!) { createWorkspace(input: $input) { workspace { id } } }
"""
JOB = "query ($id: ID!) { job(id: $id) { status attempts } }"


def key_of(text: str) -> Any:
    return decoded_id(text)[1]


async def failed(client: Client) -> dict[str, Any]:
    """A dataset whose validation has failed."""
    return await client.ended(await client.upload("page.csv", b"<html>" + files.table()))


async def test_a_second_completion_changes_nothing(
    client: Client, served: Product, owner: Any
) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    upload = made["upload"]["id"]
    assert (await send(made["upload"]["parts"][0], content)).is_success
    with stopped_worker(served):
        together = await asyncio.gather(*(client.complete(upload) for _ in range(5)))
        async with nothing_changes(owner):
            again = await client.complete(upload)
    assert [each["job"]["id"] for each in together] == [again["job"]["id"]] * 5
    dataset = await client.ended(made["dataset"]["id"], jobs=2)
    async with nothing_changes(owner):
        late = await client.complete(upload)
    assert late["dataset"] == {"id": dataset["id"], "status": "COMPLETED"}
    assert late["job"] == {
        "id": again["job"]["id"],
        "jobType": "VALIDATION",
        "status": "SUCCEEDED",
    }


async def test_a_used_key_with_another_promise_is_refused(client: Client, owner: Any) -> None:
    promise = {"fileName": "table.csv", "sizeBytes": 10, "idempotencyKey": files.nonce()}
    made = await asyncio.gather(*(client.data(CREATE, {"input": promise}) for _ in range(4)))
    assert len({each["createUpload"]["upload"]["id"] for each in made}) == 1
    async with nothing_changes(owner):
        for other in ({"sizeBytes": 11}, {"name": "other"}, {"fileName": "other.csv"}):
            error = await client.refusal(CREATE, {"input": promise | other})
            assert error["extensions"]["code"] == "CONFLICT"
            assert "Choose a new key." in error["message"]
        # A key is used up by whatever was made with it.
        workspace = {"name": "Spring", "idempotencyKey": promise["idempotencyKey"]}
        error = await client.refusal(WORKSPACE, {"input": workspace})
        assert error["extensions"]["code"] == "CONFLICT"
        again = await client.data(CREATE, {"input": promise})
    assert again["createUpload"]["upload"]["id"] == made[0]["createUpload"]["upload"]["id"]
    assert len(again["createUpload"]["upload"]["parts"]) == 1
    await client.data(ABORT, {"input": {"uploadId": again["createUpload"]["upload"]["id"]}})


async def test_a_key_is_its_users_alone(client: Client, stranger: Client) -> None:
    promise = {"fileName": "table.csv", "sizeBytes": 10, "idempotencyKey": files.nonce()}
    own = (await client.data(CREATE, {"input": promise}))["createUpload"]["upload"]["id"]
    promise["sizeBytes"] = 11
    other = (await stranger.data(CREATE, {"input": promise}))["createUpload"]["upload"]["id"]
    assert own != other
    await client.data(ABORT, {"input": {"uploadId": own}})
    await stranger.data(ABORT, {"input": {"uploadId": other}})


@pytest.mark.parametrize("key", ["", "k" * 256, "k" * 5000])
async def test_a_key_that_is_none_is_refused(client: Client, owner: Any, key: str) -> None:
    promise = {"fileName": "table.csv", "sizeBytes": 10, "idempotencyKey": key}
    async with nothing_changes(owner):
        error = await client.refusal(CREATE, {"input": promise})
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["fieldErrors"][0]["path"] == ["idempotencyKey"]


async def test_a_used_key_with_another_job_is_refused(client: Client, owner: Any) -> None:
    dataset = await client.ended(await client.upload("table.csv", files.table()), jobs=2)
    start = {"datasetId": dataset["id"], "jobType": "ETL", "idempotencyKey": files.nonce()}
    started = (await client.data(START, {"input": start}))["startJob"]["job"]["id"]
    await client.ended(dataset["id"], jobs=3)
    async with nothing_changes(owner):
        for other in ({"priority": 6}, {"jobType": "VALIDATION"}, {"params": {"sheet": "x"}}):
            error = await client.refusal(START, {"input": start | other})
            assert error["extensions"]["code"] == "CONFLICT"
        again = (await client.data(START, {"input": start}))["startJob"]["job"]
    assert again == {"id": started, "status": "SUCCEEDED"}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"priority": 0}, "priority"),
        ({"priority": 11}, "priority"),
        ({"jobType": "TRAINING"}, "jobType"),
        ({"params": [1]}, "params"),
    ],
)
async def test_a_job_that_can_not_be_is_not_started(
    client: Client, owner: Any, given: dict[str, Any], path: str
) -> None:
    dataset = await client.ended(await client.upload("table.csv", files.table()), jobs=2)
    start = {"datasetId": dataset["id"], "jobType": "ETL"} | given
    async with nothing_changes(owner):
        error = await client.refusal(START, {"input": start})
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["fieldErrors"][0]["path"] == [path]


async def test_a_job_is_not_started_before_its_time(
    client: Client, served: Product, owner: Any
) -> None:
    content = files.table()
    made = await client.promise("table.csv", len(content))
    key = made["dataset"]["id"]

    async def refused(job_type: str, sentence: str) -> None:
        async with nothing_changes(owner):
            error = await client.refusal(START, {"input": {"datasetId": key, "jobType": job_type}})
        assert error["extensions"]["code"] == "CONFLICT"
        assert sentence in error["message"]

    await refused("VALIDATION", "Complete it first.")
    assert (await send(made["upload"]["parts"][0], content)).is_success
    with stopped_worker(served):
        await client.complete(made["upload"]["id"])
        await refused("ETL", "Start a validation first.")
        await refused("VALIDATION", "Wait for it, or cancel it.")
    assert (await client.ended(key, jobs=2))["status"] == "COMPLETED"


async def test_what_has_ended_is_not_cancelled(client: Client, served: Product, owner: Any) -> None:
    good = await client.ended(await client.upload("table.csv", files.table()), jobs=2)
    bad = await failed(client)
    start = {"datasetId": good["id"], "jobType": "ETL"}
    with stopped_worker(served):
        waiting = (await client.data(START, {"input": start}))["startJob"]["job"]["id"]
        await client.data(CANCEL, {"input": {"jobId": waiting}})
        for job, word in (
            (good["jobs"]["nodes"][1]["id"], "succeeded"),
            (bad["jobs"]["nodes"][0]["id"], "failed"),
            (waiting, "cancelled"),
        ):
            async with nothing_changes(owner):
                error = await client.refusal(CANCEL, {"input": {"jobId": job}})
            assert error["extensions"]["code"] == "CONFLICT"
            assert error["message"] == f"This job has ended already: it is {word}."
    # A cancelled job takes nothing from the dataset that it would have changed.
    assert (await client.dataset(good["id"]))["status"] == "COMPLETED"


async def test_a_failed_job_is_retried_as_a_new_one(client: Client, owner: Any) -> None:
    bad = await failed(client)
    (first,) = bad["jobs"]["nodes"]
    retry = {"jobId": first["id"], "idempotencyKey": files.nonce()}
    again = (await client.data(RETRY, {"input": retry}))["retryJob"]["job"]
    assert again["retryOf"] == {"id": first["id"]}
    found = await client.ended(bad["id"], jobs=2)
    assert [job["errorCode"] for job in found["jobs"]["nodes"]] == ["NOT_THE_TYPE"] * 2
    assert found["status"] == "FAILED"
    assert await fetch(found["raw"]["url"]) == await fetch(bad["raw"]["url"])
    async with nothing_changes(owner):
        assert (await client.data(RETRY, {"input": retry}))["retryJob"]["job"] == again
        other = retry | {"jobId": again["id"]}
        error = await client.refusal(RETRY, {"input": other})
        assert error["extensions"]["code"] == "CONFLICT"


async def test_a_job_that_went_well_is_not_retried(client: Client, owner: Any) -> None:
    good = await client.ended(await client.upload("table.csv", files.table()), jobs=2)
    async with nothing_changes(owner):
        error = await client.refusal(RETRY, {"input": {"jobId": good["jobs"]["nodes"][0]["id"]}})
    assert error["extensions"]["code"] == "CONFLICT"
    assert "Only a failed or cancelled job can be retried." in error["message"]


async def test_the_same_bytes_twice_name_the_dataset_that_has_them(
    client: Client, owner: Any
) -> None:
    content = files.table()
    first = await client.ended(await client.upload("first.csv", content), jobs=2)
    async with nothing_else_changes(owner) as own:
        key = await client.upload("second.csv", content)
        own.append(key_of(key))
        second = await client.ended(key)
    (job,) = second["jobs"]["nodes"]
    assert (second["status"], job["errorCode"]) == ("FAILED", "DUPLICATE")
    assert "“first.csv”" in job["errorMessage"]
    assert f"({first['id']})" in job["errorMessage"]
    assert await fetch(second["raw"]["url"]) == content
    # Without the first, the second goes on from where it is.
    await client.data(DELETE, {"input": {"datasetId": first["id"]}})
    await client.data(RETRY, {"input": {"jobId": job["id"]}})
    assert (await client.ended(key, jobs=3))["status"] == "COMPLETED"


async def test_of_twins_at_the_same_time_one_is_kept(client: Client, served: Product) -> None:
    content = files.table(2000)
    with stopped_worker(served):
        keys = [await client.upload(f"{name}.csv", content) for name in ("one", "two", "three")]
    found = [await client.ended(key, jobs=None) for key in keys]
    assert sorted(each["status"] for each in found) == ["COMPLETED", "FAILED", "FAILED"]
    codes = [each["jobs"]["nodes"][0]["errorCode"] for each in found]
    assert sorted(code or "" for code in codes) == ["", "DUPLICATE", "DUPLICATE"]


async def test_the_same_bytes_in_another_department_tell_nothing(
    client: Client, stranger: Client, owner: Any
) -> None:
    content = files.table()
    digest = hashlib.sha256(content).hexdigest()
    first = await client.ended(await client.upload("secret.csv", content), jobs=2)
    async with nothing_else_changes(owner) as own:
        key = await stranger.upload("mine.csv", content, sha256=digest)
        own.append(key_of(key))
        second = await stranger.ended(key, jobs=2)
    assert second["status"] == "COMPLETED"
    assert second["fileHashSha256"] == first["fileHashSha256"] == digest
    assert "secret" not in str(second)
    for job in second["jobs"]["nodes"]:
        assert (job["status"], job["errorCode"]) == ("SUCCEEDED", None)


async def test_a_dataset_that_failed_does_not_come_back_beside_its_twin(
    client: Client, owner: Any, storage: Storage
) -> None:
    content = files.table()
    first = await client.ended(await client.upload("first.csv", content), jobs=2)
    raw = await owner.fetchval("select s3_key_raw from datasets where id = $1", key_of(first["id"]))
    await storage._client.put_object(Bucket=storage.bucket, Key=raw, Body=b"damaged\n")
    await client.data(START, {"input": {"datasetId": first["id"], "jobType": "ETL"}})
    damaged = await client.ended(first["id"], jobs=3)
    assert damaged["status"] == "FAILED"
    assert damaged["jobs"]["nodes"][-1]["errorCode"] == "HASH_MISMATCH"
    second = await client.ended(await client.upload("second.csv", content), jobs=2)
    assert second["status"] == "COMPLETED"
    await storage._client.put_object(Bucket=storage.bucket, Key=raw, Body=content)
    async with nothing_else_changes(owner, key_of(first["id"])):
        await client.data(RETRY, {"input": {"jobId": damaged["jobs"]["nodes"][-1]["id"]}})
        again = await client.ended(first["id"], jobs=4)
    (error,) = again["validationErrors"]
    assert (again["status"], error["code"]) == ("FAILED", "DUPLICATE")
    assert f"“second.csv” ({second['id']})" in error["message"]
    # Without its twin it is what it was before it was damaged.
    await client.data(DELETE, {"input": {"datasetId": second["id"]}})
    await client.data(RETRY, {"input": {"jobId": again["jobs"]["nodes"][-1]["id"]}})
    mended = await client.ended(first["id"], jobs=5)
    assert (mended["status"], mended["validationErrors"]) == ("COMPLETED", None)


async def test_a_dataset_is_deleted_while_its_job_runs(client: Client, owner: Any) -> None:
    content = files.table(200_000)
    async with nothing_else_changes(owner) as own:
        key = await client.upload("large.csv", content)
        own.append(key_of(key))
        await until(owner, key, running=True)
        job = (await client.dataset(key))["jobs"]["nodes"][0]
        assert job["status"] == "PROCESSING"
        await client.data(DELETE, {"input": {"datasetId": key}})
        assert await client.data(JOB, {"id": job["id"]}) == {"job": None}
        await until(owner, key, running=False)
    (row,) = await owner.fetch("select * from jobs where dataset_id = $1", key_of(key))
    assert (row.status, row.attempts, row.error_code) == ("cancelled", 1, None)
    assert row.deleted_at is not None
    assert not await owner.fetch("select from results where dataset_id = $1", key_of(key))
    error = await client.refusal(RETRY, {"input": {"jobId": job["id"]}})
    assert error["extensions"]["code"] == "NOT_FOUND"
    # The same bytes are new again, and the worker has a place for them.
    again = await client.ended(await client.upload("large.csv", content), jobs=2)
    assert again["status"] == "COMPLETED"


async def until(owner: Any, dataset: str, *, running: bool) -> None:
    """Waits until a worker has a job of the dataset, or none any more."""
    text = "select exists (select from jobs where dataset_id = $1 and status = 'processing')"
    async with asyncio.timeout(20):
        for _ in range(2000):
            if await owner.fetchval(text, key_of(dataset)) is running:
                return
            await asyncio.sleep(0.01)


async def test_what_is_done_but_can_not_be_shown_says_so(
    client: Client, person: Person, served: Product, rows: Rows, owner: Any
) -> None:
    key = (await client.ended(await client.upload("table.csv", files.table()), jobs=2))["id"]
    role = await rows.insert("roles", name=f"r{files.nonce()}", description="Starts unseen jobs.")
    for permission in ("dataset:read", "result:read", "job:start"):
        await rows.insert("role_permissions", role_id=role.id, permission=permission)
    department = await owner.fetchval(
        "select department_id from user_departments where user_id = $1", person.id
    )
    starter = client_of(served, await rows.person(department, roles=(role.name,)))
    error = await starter.refusal(START, {"input": {"datasetId": key, "jobType": "ETL"}})
    assert error["extensions"]["code"] == "NOT_FOUND"
    assert error["message"].startswith("This was done, but can't be shown")
    found = await client.ended(key, jobs=3)
    # Whoever may start a job may have it publish, too.
    assert {job["status"] for job in found["jobs"]["nodes"]} == {"SUCCEEDED"}
