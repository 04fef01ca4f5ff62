"""Tries a table's row-level security by direct SQL, and tells what it does not do as it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg

from domain.scope import ScopeKind
from tests.factories.tables import MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from domain.database import Row
    from tests.factories.realms import Realm

GRANTS = {
    "departments": "select insert update",
    "users": "select insert update",
    "user_identities": "select insert delete",
    "roles": "select",
    "role_permissions": "select",
    "user_roles": "select insert delete",
    "user_departments": "select insert delete",
    "sessions": "select insert update",
    "workspaces": "select insert update",
    "datasets": "select insert update",
    "uploads": "select insert update",
    "jobs": "select insert update",
    "job_datasets": "select insert",
    "job_attempts": "select insert update",
    "job_events": "select insert",
    "idempotency_keys": "select insert update",
    "results": "select insert update",
    "api_tokens": "select insert update",
    "one_time_codes": "",
    "login_attempts": "",
    "audit_logs": "select",
}
"""What the application may do to each table at all; policies narrow it to rows."""

CHANGES = {
    "departments": "description = 'changed'",
    "users": "is_verified = true",
    "user_identities": "issuer = 'changed'",
    "user_roles": "assigned_at = 'epoch'",
    "user_departments": "assigned_at = 'epoch'",
    "sessions": "user_agent = 'changed'",
    "workspaces": "description = 'changed'",
    "datasets": "description = 'changed'",
    "uploads": "is_temporary = false",
    "jobs": "current_step = 'changed'",
    "job_datasets": "position = 7",
    "job_attempts": "worker = 'changed'",
    "job_events": "message = 'changed'",
    "idempotency_keys": "operation = 'changed'",
    "results": "metadata = null",
    "api_tokens": "name = 'changed'",
    "audit_logs": "change_reason = 'changed'",
}
"""Changes that read nothing: as soon as one did, the policy for reading would guard it too."""

KINDS = {table: model.scope_kind for table, model in MODELS.items()}

CLOSED = {table for table, granted in GRANTS.items() if not granted}
"""Tables that the application reaches through functions alone."""

REFUSED = {
    "42501",  # insufficient privilege: no grant, or a policy's check
    "AF404",  # the tree's own trigger, which comes before the policy
    "AF409",  # a row never changes its department
}


def new_row(table: str, realm: Realm, loner: UUID) -> dict[str, Any]:
    """The values of a row that could be inserted into a realm; ``loner`` is nobody's member."""
    dataset, upload, job = realm.row("datasets"), realm.row("uploads"), realm.row("jobs")
    in_job = {"department_id": realm.department_id, "job_id": job.id}
    expires_at = upload.expires_at
    values: dict[str, Callable[[], dict[str, Any]]] = {
        "departments": lambda: {
            "id": uuid4(),
            "code": "d" + uuid4().hex,
            "name": "New",
            "parent_id": realm.department_id,
        },
        "users": lambda: {"email": f"{uuid4().hex}@example.com", "full_name": "New"},
        "user_identities": lambda: {
            "user_id": realm.colleague.id,
            "issuer": "new",
            "subject": uuid4().hex,
        },
        "user_roles": lambda: {
            "user_id": realm.colleague.id,
            "role_id": realm.row("user_roles").role_id,
        },
        "user_departments": lambda: {"user_id": loner, "department_id": realm.department_id},
        "sessions": lambda: {"user_id": realm.person.id, "expires_at": expires_at},
        "workspaces": lambda: {
            "department_id": realm.department_id,
            "name": "New",
            "owner_id": realm.person.id,
        },
        "datasets": lambda: copied(dataset, file_hash_sha256=None),
        "uploads": lambda: copied(upload),
        "jobs": lambda: copied(job, status="queued", job_type="eda"),
        "job_datasets": lambda: {**in_job, "dataset_id": dataset.id, "position": 9},
        "job_attempts": lambda: {**in_job, "attempt": 9, "lease_token": 9, "worker": "new"},
        "job_events": lambda: {**in_job, "kind": "message"},
        "idempotency_keys": lambda: {
            "user_id": realm.person.id,
            "key": uuid4().hex,
            "operation": "new",
            "input_hash": "0",
        },
        "api_tokens": lambda: copied(realm.row("api_tokens"), token_hash=uuid4().hex),
        "audit_logs": lambda: copied(realm.row("audit_logs")),
        "results": lambda: {
            **in_job,
            "dataset_id": dataset.id,
            "result_type": "new",
            "payload": {},
        },
    }
    return values[table]()


def copied(row: Row, **values: Any) -> dict[str, Any]:
    """The values of a row under a new key."""
    return {**dict(row.items()), **values, "id": uuid4()}


async def attempt(connection: Any, text: str, *arguments: Any) -> int | str:
    """How many rows a statement touches, or the SQLSTATE that it fails with; then takes it back."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        tag: str = await connection.execute(text, *arguments)
    except asyncpg.PostgresError as error:
        return error.sqlstate or ""
    else:
        return int(tag.rpartition(" ")[2])
    finally:
        await savepoint.rollback()


def insertion(table: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement that inserts these values, without asking for the row back."""
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    text = f"insert into {table} ({', '.join(values)}) values ({places})"  # noqa: S608
    return text, [*values.values()]


async def enter(connection: Any, realm: Realm) -> None:
    """Takes the scope of the realm's user, as every transaction of the application begins."""
    await connection.fetch(
        "select * from begin_scope($1, $2, null)", realm.person.id, realm.person.session_id
    )


async def leave(connection: Any) -> None:
    """Empties the scope, as the end of a transaction leaves it."""
    for name in ("user_id", "department_ids", "permissions"):
        await connection.execute(f"select set_config('app.{name}', '', true)")


async def faults(connection: Any, table: str, mine: Realm, theirs: Realm, loner: UUID) -> list[str]:
    """What the application's role can do to a table and should not, or can't and should.

    ``connection`` is in a transaction and has the application's role.
    """
    trial = Trial(connection, table, mine, theirs, loner)
    await trial.without_a_scope()
    await enter(connection, mine)
    await trial.reading()
    await trial.inserting()
    await trial.changing("update", f"update {table} set {CHANGES[table]}")  # noqa: S608
    await trial.changing("delete", f"delete from {table}")  # noqa: S608
    await trial.giving_away()
    await leave(connection)
    await trial.without_a_scope()
    return trial.found


class Trial:
    """The trial of one table between two departments; ``found`` is what went wrong."""

    def __init__(
        self, connection: Any, table: str, mine: Realm, theirs: Realm, loner: UUID
    ) -> None:
        self.connection = connection
        self.table = table
        self.mine, self.theirs, self.loner = mine, theirs, loner
        self.granted = GRANTS[table].split()
        self.own = [row.id for row in mine.rows[table]]
        self.foreign = [row.id for row in theirs.rows[table]]
        assert self.own
        assert self.foreign
        self.found: list[str] = []

    async def expect(self, case: str, wanted: int | set[str], text: str, *arguments: Any) -> None:
        """Expects a number of rows, or one of these SQLSTATEs."""
        got = await attempt(self.connection, text, *arguments)
        if got != wanted if isinstance(wanted, int) else got not in wanted:
            self.found.append(f"{self.table}: {case}: {got}")

    async def expect_seen(self, case: str, ids: list[Any], wanted: int) -> None:
        """Expects that many of these rows to be seen."""
        seen = await self.connection.fetchval(
            f"select count(*) from {self.table} where id = any ($1)",  # noqa: S608
            ids,
        )
        if seen != wanted:
            self.found.append(f"{self.table}: {case}: {seen} rows seen")

    async def without_a_scope(self) -> None:
        """Nothing can be seen or made by nobody."""
        await self.expect_seen("select without a scope", self.own + self.foreign, 0)
        if self.table != "users":
            values = new_row(self.table, self.mine, self.loner)
            text, arguments = insertion(self.table, values)
            await self.expect("insert without a scope", REFUSED, text, *arguments)

    async def reading(self) -> None:
        """One's own rows are seen, all of them, and nobody else's."""
        await self.expect_seen("select of own rows", self.own, len(self.own))
        await self.expect_seen("select of others' rows", self.foreign, 0)

    async def inserting(self) -> None:
        """Rows can be made in one's own department alone."""
        allowed: int | set[str] = 1 if "insert" in self.granted else REFUSED
        cases: list[tuple[str, Realm, int | set[str]]] = [("own", self.mine, allowed)]
        # An account belongs to nobody before it has a membership.
        if self.table != "users":
            cases.append(("others'", self.theirs, REFUSED))
        for whose, realm, wanted in cases:
            values = new_row(self.table, realm, self.loner)
            if self.table == "departments":
                await widened(self.connection, self.mine, values["id"])
            text, arguments = insertion(self.table, values)
            await self.expect(f"insert of {whose} row", wanted, text, *arguments)

    async def changing(self, command: str, text: str) -> None:
        """One's own rows change, and no others, with a condition and without one."""
        here = f"{text} where id = any ($1)"
        if command not in self.granted:
            await self.expect(command, {"42501"}, here, self.own)
            return
        await self.expect(f"{command} of own rows", len(self.own), here, self.own)
        await self.expect(f"{command} of others' rows", 0, here, self.foreign)
        seen = await self.connection.fetchval(
            f"select count(*) from {self.table}"  # noqa: S608
        )
        await self.expect(f"{command} of all rows", seen, text)

    async def giving_away(self) -> None:
        """One's own row can't be made another's."""
        if "update" not in self.granted or self.table == "users":
            return
        column, value = "user_id", self.theirs.person.id
        if KINDS[self.table] is ScopeKind.DEPARTMENT:
            column = "parent_id" if self.table == "departments" else "department_id"
            value = self.theirs.department_id
        await self.expect(
            "giving an own row away",
            REFUSED,
            f"update {self.table} set {column} = $2 where id = $1",  # noqa: S608
            self.own[0],
            value,
        )


async def widened(connection: Any, realm: Realm, *further: UUID) -> None:
    """Adds departments that are about to be made to the scope, as a Work does."""
    ids = ",".join(str(each) for each in (realm.department_id, *further))
    await connection.execute(f"select set_config('app.department_ids', '{{{ids}}}', true)")
