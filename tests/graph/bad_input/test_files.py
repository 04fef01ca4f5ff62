"""Files that are not what they claim, or that would harm whoever opens them.

Each ends its validation with a code and a sentence that says what to do, changes nothing beside its
own dataset, and stays where it is.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from graph.scalars import decoded_id
from tests.factories.unchanged import nothing_else_changes
from tests.graph.bad_input import files
from tests.graph.uploads import fetch, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.graph.uploads import Client

HTML = b"<!DOCTYPE html><html>"
SECRET = "file:///etc/passwd"
TOO_WIDE, UNPACKED, OUT_OF_MEMORY = "TOO_MANY_COLUMNS", "UNPACKED_TOO_LARGE", "OUT_OF_MEMORY"


@pytest.mark.parametrize(
    ("name", "make", "code", "found", "advice"),
    [
        ("blank.csv", lambda: b"\xef\xbb\xbf\n\n", "EMPTY_FILE", "only white space", "has content"),
        ("spaces.csv", lambda: b"   \n \t \n", "EMPTY_FILE", "only white space", "has content"),
        ("page.csv", lambda: HTML + files.nonce().encode(), "NOT_THE_TYPE", "HTML", "true type"),
        ("wide.csv", lambda: files.wide_csv(20_000), TOO_WIDE, "20,000 columns", "Leave columns"),
        ("wide.jsonl", lambda: files.wide_jsonl(20_000), TOO_WIDE, "4,096 names", "Leave columns"),
        ("packed.xlsx", files.packed_bomb, UNPACKED, "times its size", "Split it"),
        ("sparse.xlsx", files.sparse_bomb, OUT_OF_MEMORY, "more memory", "Split it"),
        ("rows.parquet", lambda: files.rows_bomb(3 * 10**9), UNPACKED, "3,000,000,000", "Split it"),
        ("lie.parquet", lambda: files.rows_bomb(10**9), "UNREADABLE", "can't be read", "again"),
        ("page.parquet", files.page_bomb, "UNREADABLE", "can't be read", "again"),
        ("value.parquet", files.value_bomb, OUT_OF_MEMORY, "more memory", "Split it"),
        ("laughs.xml", files.laughs, "UNSAFE_XML", "entities", "plain records"),
        ("external.xml", lambda: files.external(SECRET), "UNSAFE_XML", "entities", "plain records"),
        ("dtd.xml", lambda: files.parameter(SECRET), "UNSAFE_XML", "entities", "plain records"),
        ("deep.xml", lambda: files.deep(5000), "UNSAFE_XML", "200 deep", "plain records"),
    ],
)
async def test_fails_with_a_sentence_that_says_what_to_do(
    client: Client,
    owner: Any,
    name: str,
    make: Callable[[], bytes],
    code: str,
    found: str,
    advice: str,
) -> None:
    content = make()
    async with nothing_else_changes(owner) as own:
        key = await client.upload(name, content)
        own.append(decoded_id(key)[1])
        dataset = await client.ended(key)
    (job,) = dataset["jobs"]["nodes"]
    assert (job["jobType"], job["status"], job["errorCode"]) == ("VALIDATION", "FAILED", code)
    assert found in job["errorMessage"]
    assert advice in job["errorMessage"]
    assert job["attempts"] == 1
    assert "root:" not in str(dataset)
    assert dataset["status"] == "FAILED"
    assert dataset["validationErrors"] == [{"code": code, "message": job["errorMessage"]}]
    assert dataset["results"]["nodes"] == []
    assert await fetch(dataset["raw"]["url"]) == content


async def test_a_picture_called_csv_is_refused_when_it_is_complete(
    client: Client, owner: Any
) -> None:
    content = files.picture()
    async with nothing_else_changes(owner) as own:
        made = await client.promise("photo.csv", len(content))
        own.append(decoded_id(made["dataset"]["id"])[1])
        assert (await send(made["upload"]["parts"][0], content)).is_success
        error = await client.refused_completion(made["upload"]["id"])
    assert error["extensions"]["code"] == "INVALID_INPUT"
    (field,) = error["extensions"]["fieldErrors"]
    assert (field["path"], field["code"]) == (["uploadId"], "wrong_content")
    assert "it is a PNG image" in error["message"]
    assert "new upload" in error["message"]
    dataset = await client.dataset(made["dataset"]["id"])
    assert (dataset["status"], dataset["jobs"]["nodes"]) == ("FAILED", [])
    assert dataset["validationErrors"] == [{"code": "wrong_content", "message": error["message"]}]


async def test_another_hash_than_the_promised_one_fails(client: Client, owner: Any) -> None:
    content = files.table()
    promised = hashlib.sha256(b"other bytes").hexdigest()
    async with nothing_else_changes(owner) as own:
        key = await client.upload("table.csv", content, sha256=promised)
        own.append(decoded_id(key)[1])
        dataset = await client.ended(key)
    (job,) = dataset["jobs"]["nodes"]
    assert job["errorCode"] == "HASH_MISMATCH"
    assert promised in job["errorMessage"]
    assert hashlib.sha256(content).hexdigest() in job["errorMessage"]
    assert "Upload it again." in job["errorMessage"]
    assert dataset["fileHashSha256"] is None
    assert await fetch(dataset["raw"]["url"]) == content
    # What failed takes no place: the same bytes are brought again, with their own hash.
    again = await client.upload("table.csv", content, sha256=hashlib.sha256(content).hexdigest())
    assert (await client.ended(again, jobs=2))["status"] == "COMPLETED"


async def test_every_record_is_kept_or_rejected(client: Client) -> None:
    good = [f"{files.nonce()},{at}" for at in range(50)]
    bad = ["one field", "three,fields,here", "," * 7]
    lines = ["word,number", *good[:20], bad[0], *good[20:30], bad[1], bad[2], *good[30:]]
    key = await client.upload("mixed.csv", "\n".join([*lines, ""]).encode())
    dataset = await client.ended(key, jobs=2)
    assert dataset["status"] == "COMPLETED"
    rows = {each["resultType"]: each["payload"]["rows"] for each in dataset["results"]["nodes"]}
    counts = {"read": 53, "kept": 50, "rejected": 3}
    assert rows == {
        "validation_report": counts,
        "etl_summary": counts,
        "department_insight": 50,
    }
    rejected = (await fetch(dataset["rejects"]["url"])).decode().splitlines()
    assert [text in line for text, line in zip(bad, rejected, strict=True)] == [True] * 3
