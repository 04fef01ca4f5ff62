"""Nothing of the documents that the product comes from was dropped: columns, indexes and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.migrations.seeds import AWAITED, COLUMNS, INDEXES, Served

if TYPE_CHECKING:
    from tests.factories.rows import Rows

RULES: list[tuple[str, dict[str, Any], str]] = [
    ("datasets", {"status": "pending"}, "datasets_status_check"),
    ("datasets", {"file_type": "exe"}, "datasets_file_type_check"),
    ("datasets", {"file_size_bytes": 0}, "datasets_file_size_bytes_check"),
    ("datasets", {"row_count": -1}, "datasets_row_count_check"),
    ("datasets", {"column_count": -1}, "datasets_column_count_check"),
    ("datasets", {"name": ""}, "datasets_name_given_check"),
    ("datasets", {"name": "n" * 256}, "datasets_name_length_check"),
    ("datasets", {"s3_bucket": "b" * 101}, "datasets_s3_bucket_length_check"),
    ("datasets", {"s3_key_raw": "k" * 501}, "datasets_s3_key_raw_length_check"),
    ("datasets", {"file_hash_sha256": "A" * 64}, "datasets_file_hash_sha256_form_check"),
    ("datasets", {"file_hash_sha256": "a" * 63}, "datasets_file_hash_sha256_form_check"),
    ("uploads", {"status": "lost"}, "uploads_status_check"),
    ("uploads", {"upload_progress": 101}, "uploads_upload_progress_check"),
    ("uploads", {"upload_progress": -1}, "uploads_upload_progress_check"),
    ("uploads", {"uploaded_chunks": 2}, "uploads_uploaded_chunks_check"),
    ("uploads", {"total_chunks": 10001}, "uploads_total_chunks_check"),
    ("uploads", {"file_size_bytes": 0}, "uploads_file_size_bytes_check"),
    ("jobs", {"status": "running"}, "jobs_status_check"),
    ("jobs", {"job_type": "cleaning"}, "jobs_job_type_check"),
    ("jobs", {"attempts": -1}, "jobs_attempts_check"),
    ("jobs", {"max_attempts": 0}, "jobs_max_attempts_check"),
    ("jobs", {"priority": 0}, "jobs_priority_check"),
    ("jobs", {"priority": 11}, "jobs_priority_check"),
    ("jobs", {"progress": 101}, "jobs_progress_check"),
    ("jobs", {"queue_message_id": "m" * 256}, "jobs_queue_message_id_length_check"),
    ("jobs", {"status": "failed", "completed_at": None}, "jobs_completed_when_final_check"),
    (
        "jobs",
        {"status": "processing", "lease_expires_at": None},
        "jobs_leased_while_processing_check",
    ),
    ("results", {"result_type": "t" * 101}, "results_result_type_length_check"),
]


@pytest.mark.parametrize("served", INDEXES, ids=lambda served: served.name)
async def test_an_index_serves_what_each_documents_index_was_for(
    owner: Any, served: Served
) -> None:
    index = await owner.fetchrow(
        """
        select i.indisunique as is_unique, i.indisvalid as is_valid,
               (select array_agg(a.attname::text order by k.place)
                from unnest(i.indkey::smallint[]) with ordinality as k (number, place)
                join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number) as columns
        from pg_index i where i.indexrelid = $1::text::regclass
        """,
        served.index,
    )
    assert index.is_valid
    assert index.is_unique or not served.unique
    columns = tuple(index.columns)
    if served.columns[0] != "department_id" and columns[0] == "department_id":
        columns = columns[1:]
    assert columns[: len(served.columns)] == served.columns


def test_each_documents_index_is_listed_once() -> None:
    names = [served.name for served in INDEXES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("seed", COLUMNS)
async def test_each_column_of_a_document_has_a_home(owner: Any, seed: str) -> None:
    table, columns = COLUMNS[seed]
    found = await owner.fetch("""
        select table_name || '.' || column_name as name from information_schema.columns
        where table_schema = 'public'
    """)
    homes = {row.name for row in found}
    for column, home in columns.items():
        assert (home if "." in home else f"{table}.{home}") in homes, column


async def test_what_is_awaited_is_not_there_yet(owner: Any) -> None:
    for home in AWAITED.values():
        assert await owner.fetchval("select to_regclass($1)", home.partition(".")[0]) is None


@pytest.mark.parametrize(
    ("table", "values", "constraint"), RULES, ids=[f"{t}-{c}" for t, _, c in RULES]
)
async def test_refuses_what_a_document_says_can_not_be(
    rows: Rows, table: str, values: dict[str, Any], constraint: str
) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    dataset = await rows.dataset(department_id, person.id)
    job = await rows.job(department_id, person.id, dataset, status="failed")
    makers = {
        "datasets": lambda: rows.dataset(department_id, person.id, **values),
        "uploads": lambda: rows.upload(dataset, **values),
        "jobs": lambda: rows.job(department_id, person.id, dataset, **values),
        "results": lambda: rows.result(job, **values),
    }
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await makers[table]()
    assert refusal.value.constraint_name == constraint


async def test_a_dataset_takes_its_jobs_results_and_uploads_along(owner: Any, rows: Rows) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    dataset = await rows.dataset(department_id, person.id)
    other = await rows.dataset(department_id, person.id)
    for each in (dataset, other):
        job = await rows.job(department_id, person.id, each)
        await rows.upload(each)
        await rows.result(job)
        await rows.event(job)
        await rows.attempt(job)
        await rows.job_dataset(job, each)
    await owner.execute("delete from datasets where id = $1", dataset.id)
    for table in ("jobs", "uploads", "results", "job_events", "job_attempts", "job_datasets"):
        left = await owner.fetchval(
            f"select count(*) from {table} where department_id = $1",  # noqa: S608
            department_id,
        )
        assert left == 1, table


async def test_a_user_with_datasets_is_never_deleted(owner: Any, rows: Rows) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    await rows.workspace(department_id, (await rows.person()).id)
    await rows.dataset(department_id, person.id)
    with pytest.raises(asyncpg.RestrictViolationError) as refusal:
        await owner.execute("delete from users where id = $1", person.id)
    assert refusal.value.constraint_name == "datasets_uploader_id_fkey"


async def test_the_same_bytes_are_kept_once_in_a_department(rows: Rows) -> None:
    here, elsewhere = await rows.department(), await rows.department()
    person = await rows.person(here, elsewhere)
    same = {"file_hash_sha256": "a" * 64}
    await rows.dataset(here, person.id, **same)
    await rows.dataset(elsewhere, person.id, **same)
    await rows.dataset(here, person.id, status="failed", **same)
    now = await rows.connection.fetchval("select now()")
    await rows.dataset(here, person.id, deleted_at=now, **same)
    with pytest.raises(asyncpg.UniqueViolationError):
        await rows.dataset(here, person.id, **same)


async def test_an_address_is_one_account_whatever_its_case(rows: Rows) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await rows.person(department_id, email=person.email)
    with pytest.raises(asyncpg.CheckViolationError):
        await rows.person(department_id, email=person.email.upper())


@pytest.mark.parametrize(
    "table", ["departments", "users", "workspaces", "datasets", "uploads", "jobs", "sessions"]
)
async def test_notes_when_a_row_was_last_changed(owner: Any, rows: Rows, table: str) -> None:
    department_id = await rows.department()
    person = await rows.person(department_id)
    dataset = await rows.dataset(department_id, person.id)
    await rows.upload(dataset)
    await rows.job(department_id, person.id, dataset)
    column = {"users": "id", "sessions": "user_id", "departments": "id"}.get(table, "department_id")
    key = department_id if column == "department_id" or table == "departments" else person.id
    touched = await owner.fetchrow(
        f"update {table} set id = id where {column} = $1 "  # noqa: S608
        "returning updated_at > created_at as is_later",
        key,
    )
    assert touched.is_later
