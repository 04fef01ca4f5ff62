"""Every change of state is in the audit log, or its table says why not; secrets never are."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from domain.bell import Silence
from domain.scope import Identity, Origin, TokenKey, opening, traced
from domain.work import running, working
from tests.factories.realms import Realm, realm_of
from tests.factories.rows import Rows
from tests.factories.tables import MODELS
from tests.migrations.policies import CHANGES, new_row

if TYPE_CHECKING:
    from domain.database import Database

EXEMPT = {
    "audit_logs": "it is the log",
    "job_events": "a log of its own, only ever added to",
    "job_attempts": "a log of its own: who ran what, and how it ended",
    "idempotency_keys": "a memory of requests; what they made is audited",
    "login_attempts": "counts, without an account or an address",
    "one_time_codes": "proofs that last minutes; what they are used for is audited",
}
"""Tables whose changes are not written, and why."""

SECRET = re.compile(r"password_hash|token_hash|code_hash|secret|credential")
NOISE = {
    "users": {"failed_login_count", "locked_until", "last_login_at", "password_hash"},
    "sessions": {"generation", "expires_at", "last_used_at"},
    "api_tokens": {"token_hash", "last_used_at"},
    "uploads": {"upload_progress", "uploaded_chunks", "s3_multipart_id"},
    "jobs": {
        "lease_token",
        "lease_expires_at",
        "leased_by",
        "heartbeat_at",
        "progress",
        "current_step",
        "queue_message_id",
        "error_traceback",
        "result_data",
    },
    "results": {"payload", "metadata"},
}
"""Columns that are never written: secrets, leases and progress, and what is a record by itself."""

AUDITED = sorted(set(MODELS) - set(EXEMPT))


@pytest.fixture
async def realm(owner: Any) -> Realm:
    return await realm_of(owner, "audited", await Rows(owner).department())


async def written(owner: Any, table: str, key: object) -> list[Any]:
    """What the log has of a row, the oldest first."""
    found: list[Any] = await owner.fetch(
        "select * from audit_logs where table_name = $1 and record_id = $2 order by id",
        table,
        str(key),
    )
    return found


async def test_every_table_is_audited_or_named_with_its_reason(owner: Any) -> None:
    triggers = await owner.fetch("""
        select tgrelid::regclass::text as name, tgenabled::text as enabled, tgtype as type,
               string_to_array(encode(tgargs, 'escape'), '\\000') as arguments
        from pg_trigger where tgname = 'audit' and tgparentid = 0
    """)
    assert {row.name for row in triggers} | set(EXEMPT) == set(MODELS)
    assert not {row.name for row in triggers} & set(EXEMPT)
    for row in triggers:
        columns = set(MODELS[row.name].__table__.columns.keys())
        table, *left_out = row.arguments[:-1]
        assert table == row.name
        assert row.enabled == "O"
        # For each row, after it was inserted, deleted or updated.
        assert row.type == 1 | 4 | 8 | 16
        assert set(left_out) == NOISE.get(row.name, set()), row.name
        assert {name for name in columns if SECRET.search(name)} <= set(left_out), row.name


@pytest.mark.parametrize("table", [t for t in AUDITED if t in CHANGES])
async def test_writes_what_is_made_changed_and_removed(
    owner: Any, realm: Realm, table: str
) -> None:
    rows = Rows(owner)
    loner = (await rows.person(roles=())).id
    transaction = owner.transaction()
    await transaction.start()
    made = await rows.insert(table, **new_row(table, realm, loner))
    (inserted,) = await written(owner, table, made.id)
    assert inserted.operation == "INSERT"
    assert inserted.old_values is None
    assert inserted.new_values["id"] == str(made.id)
    assert not NOISE.get(table, set()) & set(inserted.new_values)
    column = CHANGES[table].partition(" = ")[0]
    if column not in NOISE.get(table, set()):
        await owner.execute(
            f"update {table} set {CHANGES[table]} where id = $1",  # noqa: S608
            made.id,
        )
        changed = (await written(owner, table, made.id))[1:]
        assert [entry.operation for entry in changed] in (["UPDATE"], [])
        for entry in changed:
            assert set(entry.old_values) == set(entry.new_values) == {column}
            assert entry.old_values[column] != entry.new_values[column]
    await owner.execute(f"delete from {table} where id = $1", made.id)  # noqa: S608
    last = (await written(owner, table, made.id))[-1]
    assert (last.operation, last.new_values) == ("DELETE", None)
    assert last.old_values["id"] == str(made.id)
    department = made.get("department_id") if table != "departments" else made.id
    assert {entry.department_id for entry in await written(owner, table, made.id)} == {department}
    await transaction.rollback()
    assert await written(owner, table, made.id) == []


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("users", "failed_login_count = 3, locked_until = now(), last_login_at = now()"),
        ("users", "password_hash = 'a new secret'"),
        ("sessions", "generation = 2, last_used_at = now()"),
        ("api_tokens", "last_used_at = now()"),
        ("jobs", "progress = 50, current_step = 'half', heartbeat_at = now()"),
        ("datasets", "name = name"),
    ],
)
async def test_writes_nothing_of_noise_and_of_what_stays_the_same(
    owner: Any, realm: Realm, table: str, change: str
) -> None:
    key = realm.row(table).id
    before = len(await written(owner, table, key))
    await owner.execute(f"update {table} set {change} where id = $1", key)  # noqa: S608
    assert len(await written(owner, table, key)) == before


async def test_tells_who_when_why_and_from_where(
    owner: Any, database: Database, realm: Realm
) -> None:
    person, dataset = realm.person, realm.row("datasets")
    origin = Origin("Browser", "2001:db8::7%eth0", "request-7", "a reason")
    change = "update datasets set name = 'Renamed' where id = $1"
    async with working(database, person.identity(), Silence(), origin=origin) as work:
        work.public()
        await work._fetch(change, dataset.id)
    entry = (await written(owner, "datasets", dataset.id))[-1]
    assert entry.user_id == person.id
    assert (entry.request_id, entry.change_reason) == ("request-7", "a reason")
    assert str(entry.ip_address) == "2001:db8::7"
    assert entry.database_role == "aetherflow_app"
    assert entry.old_values == {"name": dataset.name}
    assert entry.new_values == {"name": "Renamed"}
    age = (datetime.now(UTC) - entry.created_at).total_seconds()
    assert abs(age) < 60


async def test_tells_of_a_job_that_its_creator_stands_behind_it(
    owner: Any, database: Database, realm: Realm
) -> None:
    job = realm.row("jobs")
    async with running(database, realm.department_id, realm.person.id, Silence()) as work:
        cancelled = "update jobs set status = 'cancelled', completed_at = now() where id = $1"
        await work._fetch(cancelled, job.id)
    entry = (await written(owner, "jobs", job.id))[-1]
    assert (entry.user_id, entry.change_reason) == (realm.person.id, "job")
    assert entry.new_values["status"] == "cancelled"


async def test_tells_of_an_operator_by_the_role_alone(owner: Any, realm: Realm) -> None:
    (entry, *_) = await written(owner, "departments", realm.department_id)
    assert (entry.user_id, entry.ip_address, entry.request_id) == (None, None, None)
    assert entry.database_role == "aetherflow_owner"


async def test_what_is_rolled_back_was_never_written(
    owner: Any, database: Database, realm: Realm
) -> None:
    key = realm.row("datasets").id
    before = len(await written(owner, "datasets", key))
    with pytest.raises(RuntimeError):
        async with working(database, realm.person.identity(), Silence()) as work:
            # It required nothing, so it may not commit.
            await work._fetch("update datasets set name = 'Never' where id = $1", key)
    assert len(await written(owner, "datasets", key)) == before


@pytest.mark.parametrize(
    "smuggled",
    ["'; drop table users; --", "1.2.3.4', true); delete from users; --", "é", "x" * 65, "", "\0"],
)
async def test_what_a_caller_says_of_itself_is_no_sql(
    database: Database, realm: Realm, smuggled: str
) -> None:
    origin = Origin(smuggled, smuggled, smuggled, smuggled)
    assert traced(origin) == ""
    zoned = traced(Origin(address=f"fe80::1%{smuggled}"))
    assert smuggled == "" or smuggled not in zoned
    async with working(database, realm.person.identity(), Silence(), origin=origin) as work:
        work.own()


def test_a_digest_that_is_none_opens_no_transaction() -> None:
    key = TokenKey(uuid4(), "'; drop table users; --")
    with pytest.raises(ValueError, match="non-hexadecimal"):
        opening(Identity(uuid4(), None, None, key), write=False)


async def test_there_is_a_partition_for_this_year_and_for_the_next(owner: Any) -> None:
    found = await owner.fetch("""
        select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bound,
               c.relacl is null or not c.relacl::text like '%aetherflow_app%' as ungranted
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'audit_logs'::regclass order by c.relname
    """)
    year = datetime.now(UTC).year
    assert [row.name for row in found] == [f"audit_logs_{year}", f"audit_logs_{year + 1}"]
    assert (
        f"FROM ('{year}-01-01 00:00:00+00') TO ('{year + 1}-01-01 00:00:00+00')" in found[0].bound
    )
    assert all(row.ungranted for row in found)


async def test_partitions_are_made_once_whoever_asks_at_once(
    owner: Any, database: Database, realm: Realm
) -> None:
    year = datetime.now(UTC).year + 1
    await owner.execute(f"drop table partitions.audit_logs_{year}")

    async def make() -> int:
        async with working(database, realm.person.identity(), Silence()) as work:
            work.own()
            (row,) = await work._fetch("select make_audit_partitions() as made")
            return int(row.made)

    assert sorted(await asyncio.gather(*(make() for _ in range(4)))) == [0, 0, 0, 1]
    assert await owner.fetchval("select to_regclass($1)", f"partitions.audit_logs_{year}")


async def test_no_secret_of_any_row_is_in_the_log(owner: Any, realm: Realm) -> None:
    secrets = await owner.fetch("""
        select password_hash as text from users where password_hash is not null
        union select token_hash from api_tokens union select code_hash from one_time_codes
    """)
    assert len(secrets) >= 2
    assert realm.rows
    for row in secrets:
        found = await owner.fetchval(
            "select count(*) from audit_logs a where position($1 in a::text) > 0", row.text
        )
        assert found == 0
