"""A department with something in every table, its name in every text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.factories.rows import Person, Rows

if TYPE_CHECKING:
    from uuid import UUID

    from domain.database import Row


@dataclass(frozen=True, slots=True)
class Realm:
    """What belongs to one department: ``rows`` by table, none of them visible from elsewhere."""

    mark: str
    department_id: UUID
    person: Person
    colleague: Person
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def row(self, table: str) -> Row:
        """The first row of a table."""
        return self.rows[table][0]


async def realm_of(
    connection: Any, mark: str, department_id: UUID, roles: tuple[str, ...] = ("manager",)
) -> Realm:
    """Fills a department that is there: its user with ``roles``, a colleague, and rows of both."""
    rows = Rows(connection, mark)
    person = await rows.person(department_id, roles=roles)
    colleague = await rows.person(department_id, roles=("viewer",))
    realm = Realm(mark, department_id, person, colleague)
    await rows.user_identity(person.id)
    await rows.idempotency_key(person.id)
    await rows.api_token(person.id, department_id)
    await rows.workspace(department_id, person.id, is_default=True)
    await rows.workspace(department_id, colleague.id)
    for uploader in (person, colleague):
        dataset = await rows.dataset(department_id, uploader.id)
        await rows.upload(dataset)
        await rows.upload(dataset, status="uploading")
        queued = await rows.job(department_id, uploader.id, dataset)
        await rows.event(queued, kind="status", status="queued", progress=0)
        failed = await rows.job(
            department_id,
            uploader.id,
            dataset,
            job_type="validation",
            status="failed",
            current_step=f"{mark} step",
            leased_by=f"{mark} worker",
            error_code=f"{mark}CODE",
            error_message=f"{mark} went wrong",
            error_traceback=f"{mark} at line 1",
            output_file=f"{mark}/output",
            result_data={"note": mark},
        )
        await rows.event(failed)
        await rows.attempt(
            failed,
            outcome="failed",
            ended_at=failed.completed_at,
            error_code=f"{mark}CODE",
            error_message=f"{mark} went wrong",
        )
        await rows.job_dataset(failed, dataset)
        await rows.result(failed)
    await collect(connection, realm)
    return realm


OF_A_DEPARTMENT = (
    "workspaces",
    "datasets",
    "uploads",
    "jobs",
    "job_datasets",
    "job_attempts",
    "job_events",
    "results",
    "user_departments",
    "audit_logs",
)
OF_A_PERSON = ("user_identities", "user_roles", "sessions", "idempotency_keys", "api_tokens")


async def collect(connection: Any, realm: Realm) -> None:
    """Reads what the realm's rows are now, those of its own user alone for what is a person's."""
    for table in OF_A_DEPARTMENT:
        realm.rows[table] = await connection.fetch(
            f"select * from {table} where department_id = $1 order by id",  # noqa: S608
            realm.department_id,
        )
    for table in OF_A_PERSON:
        realm.rows[table] = await connection.fetch(
            f"select * from {table} where user_id = $1 order by id",  # noqa: S608
            realm.person.id,
        )
    realm.rows["departments"] = await connection.fetch(
        "select * from departments where id = $1", realm.department_id
    )
    people = [realm.person.id, realm.colleague.id]
    realm.rows["users"] = await connection.fetch(
        "select * from users where id = any ($1) order by id", people
    )
