"""One function a table: each makes a row, with whatever else that row can't be without."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from domain.scope import Identity

if TYPE_CHECKING:
    from domain.database import Row

PASSWORD = "correct horse battery staple"
# bcrypt of PASSWORD at its least cost: only what is about hashing pays for the real one.
PASSWORD_HASH = "$2b$04$PWRcgEJeDWk.I5QERg8H.uFGm1.zLiGOSSkLKLhoNFiTcSAn0ZxCS"


@dataclass(frozen=True, slots=True)
class Person:
    """An account with a session that holds."""

    id: UUID
    email: str
    session_id: UUID

    def identity(self, narrow: str | None = None) -> Identity:
        """Who this person is to a transaction."""
        return Identity(self.id, self.session_id, narrow)


class Rows:
    """Makes rows over a connection of the owner's; ``mark`` goes into every text of them."""

    def __init__(self, connection: Any, mark: str = "") -> None:
        self.connection = connection
        self.mark = mark

    async def insert(self, table: str, **values: Any) -> Row:
        """Inserts one row of these values and gives all of it."""
        names = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        row: Row = await self.connection.fetchrow(
            f"insert into {table} ({names}) values ({places}) returning *",  # noqa: S608
            *values.values(),
        )
        return row

    async def department_id(self, code: str) -> UUID:
        """The id of a department that there is."""
        found: UUID = await self.connection.fetchval(
            "select id from departments where code = $1", code
        )
        return found

    async def department(self, parent: UUID | str = "company", **values: Any) -> UUID:
        """A new department below ``parent``, an id or a code."""
        parent_id = parent if isinstance(parent, UUID) else await self.department_id(parent)
        code = "d" + uuid4().hex
        given = {"code": code, "name": f"{self.mark}{code}", "parent_id": parent_id} | values
        made: UUID = (await self.insert("departments", **given)).id
        return made

    async def person(
        self, *departments: UUID, roles: tuple[str, ...] = ("manager",), **values: Any
    ) -> Person:
        """An account with these memberships and roles, and an open session."""
        email = f"{self.mark.lower()}{uuid4().hex}@example.com"
        given = {
            "email": email,
            "full_name": f"{self.mark} Person",
            "password_hash": PASSWORD_HASH,
        } | values
        user = await self.insert("users", **given)
        for department_id in departments:
            await self.insert("user_departments", user_id=user.id, department_id=department_id)
        for role in roles:
            role_id = await self.connection.fetchval("select id from roles where name = $1", role)
            await self.insert("user_roles", user_id=user.id, role_id=role_id)
        session = await self.session(user.id)
        return Person(user.id, user.email, session.id)

    async def session(self, user_id: UUID, *, seconds: float = 3600, **values: Any) -> Row:
        """A session that ends in ``seconds``."""
        expires_at = await self.connection.fetchval(
            "select now() + make_interval(secs => $1)", seconds
        )
        given = {"user_id": user_id, "expires_at": expires_at, "user_agent": f"{self.mark} agent"}
        return await self.insert("sessions", **given | values)

    async def user_identity(self, user_id: UUID) -> Row:
        """An account at an identity provider."""
        return await self.insert(
            "user_identities",
            user_id=user_id,
            issuer=f"https://{self.mark}.example",
            subject=uuid4().hex,
        )

    async def workspace(self, department_id: UUID, owner_id: UUID, **values: Any) -> Row:
        """A workspace."""
        given = {
            "department_id": department_id,
            "owner_id": owner_id,
            "name": f"{self.mark} Workspace",
            "description": f"{self.mark} about a workspace",
        }
        return await self.insert("workspaces", **given | values)

    async def dataset(self, department_id: UUID, uploader_id: UUID, **values: Any) -> Row:
        """A dataset, validated unless said otherwise, in the department's first workspace."""
        if "workspace_id" not in values:
            found = await self.connection.fetchval(
                "select id from workspaces where department_id = $1 order by id limit 1",
                department_id,
            )
            made = found or (await self.workspace(department_id, uploader_id)).id
            values["workspace_id"] = made
        given = {
            "department_id": department_id,
            "uploader_id": uploader_id,
            "name": f"{self.mark} Dataset",
            "description": f"{self.mark} about a dataset",
            "file_type": "csv",
            "content_type": f"text/csv; {self.mark}",
            "s3_bucket": f"{self.mark}bucket",
            "s3_key_raw": f"{self.mark}/raw.csv",
            "file_size_bytes": 1000,
            "row_count": 10,
            "column_count": 1,
            "column_names": [f"{self.mark}column"],
            "status": "validated",
        }
        return await self.insert("datasets", **given | values)

    async def upload(self, dataset: Row, **values: Any) -> Row:
        """An upload of a dataset, completed unless said otherwise."""
        expires_at = await self.connection.fetchval("select now() + interval '1 hour'")
        given = {
            "department_id": dataset.department_id,
            "dataset_id": dataset.id,
            "owner_id": dataset.uploader_id,
            "file_name": f"{self.mark}.csv",
            "s3_key": f"incoming/{self.mark}",
            "s3_multipart_id": f"{self.mark}multipart",
            "file_type": "csv",
            "content_type": f"text/csv; {self.mark}",
            "file_size_bytes": 1000,
            "part_size_bytes": 1000,
            "status": "completed",
            "metadata": {"note": self.mark},
            "expires_at": expires_at,
        }
        return await self.insert("uploads", **given | values)

    async def job(
        self,
        department_id: UUID,
        created_by: UUID,
        dataset: Row | None = None,
        **values: Any,
    ) -> Row:
        """A job, queued unless said otherwise, whose times fit its status."""
        given = {
            "department_id": department_id,
            "created_by": created_by,
            "dataset_id": dataset.id if dataset else None,
            "job_type": "etl",
            "status": "queued",
            "params": {"note": self.mark},
            "queue_message_id": f"{self.mark}message",
        } | values
        now = await self.connection.fetchval("select now()")
        if given["status"] == "processing":
            given.setdefault("lease_expires_at", now)
        elif given["status"] in ("succeeded", "failed", "cancelled"):
            given.setdefault("completed_at", now)
        return await self.insert("jobs", **given)

    async def attempt(self, job: Row, **values: Any) -> Row:
        """An attempt at a job that goes on."""
        given = {
            "department_id": job.department_id,
            "job_id": job.id,
            "attempt": 1,
            "lease_token": job.lease_token,
            "worker": f"{self.mark} worker",
        }
        return await self.insert("job_attempts", **given | values)

    async def event(self, job: Row, **values: Any) -> Row:
        """An event of a job."""
        given = {
            "department_id": job.department_id,
            "job_id": job.id,
            "dataset_id": job.dataset_id,
            "kind": "message",
            "step": f"{self.mark} step",
            "message": f"{self.mark} message",
        }
        return await self.insert("job_events", **given | values)

    async def job_dataset(self, job: Row, dataset: Row, position: int = 0) -> Row:
        """An input of a job."""
        return await self.insert(
            "job_datasets",
            department_id=job.department_id,
            job_id=job.id,
            dataset_id=dataset.id,
            position=position,
        )

    async def result(self, job: Row, **values: Any) -> Row:
        """A result of a job."""
        given = {
            "department_id": job.department_id,
            "dataset_id": job.dataset_id,
            "job_id": job.id,
            "result_type": f"{self.mark}summary",
            "payload": {"note": self.mark},
            "metadata": {"note": self.mark},
        }
        return await self.insert("results", **given | values)

    async def idempotency_key(self, user_id: UUID, **values: Any) -> Row:
        """A key that a user gave with a mutation."""
        given = {
            "user_id": user_id,
            "key": uuid4().hex,
            "operation": f"{self.mark}operation",
            "input_hash": "0" * 64,
        }
        return await self.insert("idempotency_keys", **given | values)

    async def api_token(self, user_id: UUID, *departments: UUID, **values: Any) -> Row:
        """An API token for everything that may be read, whose text nobody knows."""
        given = {
            "user_id": user_id,
            "name": f"{self.mark} token",
            "token_hash": hashlib.sha256(uuid4().bytes).hexdigest(),
            "permissions": ["dataset:read", "job:read", "result:read"],
            "department_ids": list(departments),
            "expires_at": await self.connection.fetchval("select now() + interval '1 day'"),
        }
        return await self.insert("api_tokens", **given | values)
