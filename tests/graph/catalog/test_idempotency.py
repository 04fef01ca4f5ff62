"""Every mutation that makes or starts something takes a key, and makes it once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from graphql import GraphQLInputObjectType, get_named_type

from graph.scalars import encoded_id
from graph.schema import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from tests.factories.rows import Person, Rows
    from tests.graph.catalog.conftest import Asker

SCHEMA = schema()._schema
KEY = "idempotencyKey"
TWINS = 6

MAKES_NOTHING = {
    "abortUpload": "the upload is aborted, however often that is said",
    "activateUser": "the account is open, however often that is said",
    "assignDepartment": "a person belongs to a department or doesn't",
    "assignRole": "a person has a role or doesn't",
    "cancelJob": "the job was asked to stop, or has ended",
    "changePassword": "the old password is wrong the second time",
    "completeLink": "the code that was sent holds once",
    "completeSignIn": "the code that was sent holds once",
    "completeUpload": "the upload itself is the key: repeating answers the same job",
    "createApiToken": "a token is shown once, and a key would keep it",
    "deactivateUser": "the account is closed, however often that is said",
    "deleteDataset": "the dataset is gone the second time",
    "deleteWorkspace": "the workspace is gone the second time",
    "linkIdentity": "it only begins to link; completeLink ends it, once",
    "login": "tokens are issued anew each time, and a key would keep them",
    "logout": "the session has ended, however often that is said",
    "moveDepartment": "the department is where it was moved",
    "refreshSession": "tokens are issued anew each time, and a key would keep them",
    "removeDepartment": "the department is gone the second time",
    "requestEmailVerification": "a new code takes the place of the last",
    "requestPasswordReset": "a new code takes the place of the last",
    "resetPassword": "the code that was sent holds once",
    "resumeUpload": "it answers what is missing now",
    "revokeApiToken": "the token has ended, however often that is said",
    "revokeRole": "a person has a role or doesn't",
    "revokeSession": "the session has ended, however often that is said",
    "revokeSessions": "the sessions have ended, however often that is said",
    "unlinkIdentity": "the identity is gone the second time",
    "updateDataset": "the dataset has what was given last",
    "updateDepartment": "the department has what was given last",
    "updateProfile": "the account has what was given last",
    "updateWorkspace": "the workspace has what was given last",
    "verifyEmail": "the code that was sent holds once",
}
"""The mutations that need no key, and why repeating them does nothing twice."""


@dataclass(frozen=True, slots=True)
class Place:
    """A department with a manager in it, a dataset, and a job that failed."""

    department: str
    dataset: str
    failed: str
    failed_too: str


@dataclass(frozen=True, slots=True)
class Making:
    """What a mutation is given, what another body differs in, and the table that grows by one."""

    table: str
    made: str
    given: Callable[[Place], dict[str, Any]]
    otherwise: Callable[[Place], dict[str, Any]] = field(default=lambda _: {"name": "Another name"})


MAKES = {
    "createUpload": Making(
        "uploads",
        "upload { id } dataset { id }",
        lambda place: {"fileName": "a.csv", "sizeBytes": 10, "department": place.department},
        lambda _: {"sizeBytes": 11},
    ),
    "createWorkspace": Making(
        "workspaces",
        "workspace { id }",
        lambda place: {"name": "Twins", "department": place.department},
    ),
    "createDepartment": Making(
        "departments",
        "department { id }",
        lambda place: {
            "code": "d" + uuid4().hex,
            "name": "Twins",
            "parent": place.department,
        },
    ),
    "createUser": Making(
        "users",
        "user { id }",
        lambda place: {
            "email": f"{uuid4().hex}@example.com",
            "fullName": "Twin",
            "departments": [place.department],
            "roles": ["viewer"],
        },
        lambda _: {"fullName": "Another name"},
    ),
    "startJob": Making(
        "jobs",
        "job { id }",
        lambda place: {"datasetId": place.dataset, "jobType": "ETL", "params": {"a": 1}},
        lambda _: {"priority": 9},
    ),
    "retryJob": Making(
        "jobs",
        "job { id }",
        lambda place: {"jobId": place.failed},
        lambda place: {"jobId": place.failed_too},
    ),
}


def inputs() -> dict[str, GraphQLInputObjectType | None]:
    """The input of each mutation."""
    assert SCHEMA.mutation_type
    return {
        name: get_named_type(found.args["input"].type) if found.args else None
        for name, found in SCHEMA.mutation_type.fields.items()
    }


def test_every_mutation_that_makes_something_takes_a_key() -> None:
    keyed = {name for name, kind in inputs().items() if kind is not None and KEY in kind.fields}
    assert keyed == set(MAKES), "say in MAKES how it is asked, and what it makes"
    others = inputs().keys() - keyed
    unknown = others - MAKES_NOTHING.keys()
    assert not unknown, "does it make or start something? Then it takes a key; else say why not"


@pytest.fixture
async def manager(rows: Rows, department: UUID) -> Person:
    return await rows.person(department, roles=("manager",))


@pytest.fixture
async def place(rows: Rows, department: UUID, manager: Person) -> Place:
    failed = []
    for _ in range(2):
        dataset = await rows.dataset(department, manager.id)
        job = await rows.job(department, manager.id, dataset, status="failed")
        failed.append(encoded_id("Job", job.id))
    dataset = await rows.dataset(department, manager.id)
    return Place(
        encoded_id("Department", department),
        encoded_id("Dataset", dataset.id),
        *failed,
    )


def mutation(name: str) -> str:
    kind = inputs()[name]
    assert kind is not None
    return f"mutation ($given: {kind.name}!) {{ {name}(input: $given) {{ {MAKES[name].made} }} }}"


async def count(rows: Rows, table: str) -> int:
    found: int = await rows.connection.fetchval(f"select count(*) from {table}")  # noqa: S608
    return found


@pytest.mark.parametrize("name", sorted(MAKES))
async def test_twins_that_come_at_once_make_one_thing(
    asker: Asker, rows: Rows, manager: Person, place: Place, name: str
) -> None:
    making = MAKES[name]
    given = {**making.given(place), KEY: uuid4().hex}
    before = await count(rows, making.table)
    answers = await asyncio.gather(
        *(asker.data(manager, mutation(name), given=given) for _ in range(TWINS))
    )
    assert await count(rows, making.table) == before + 1
    assert len({str(answer) for answer in answers}) == 1
    assert await asker.data(manager, mutation(name), given=given) == answers[0]
    assert await count(rows, making.table) == before + 1


@pytest.mark.parametrize("name", sorted(MAKES))
async def test_another_body_under_a_used_key_conflicts_and_makes_nothing(
    asker: Asker, rows: Rows, manager: Person, place: Place, name: str
) -> None:
    making = MAKES[name]
    given = {**making.given(place), KEY: uuid4().hex}
    await asker.data(manager, mutation(name), given=given)
    before = await count(rows, making.table)
    for other in (name, *(each for each in sorted(MAKES) if each != name)):
        changed = given | making.otherwise(place)
        if other != name:
            changed = {**MAKES[other].given(place), KEY: given[KEY]}
        refusal = await asker.refusal(manager, mutation(other), given=changed)
        assert refusal["code"] == "CONFLICT", other
    assert await count(rows, making.table) == before


@pytest.mark.parametrize("name", sorted(MAKES))
async def test_what_failed_leaves_its_key_free(
    asker: Asker, rows: Rows, manager: Person, place: Place, department: UUID, name: str
) -> None:
    making = MAKES[name]
    given = {**making.given(place), KEY: uuid4().hex}
    stranger = await rows.person(department, roles=("viewer",))
    refusal = await asker.refusal(stranger, mutation(name), given=given)
    assert refusal["code"] == "FORBIDDEN"
    assert not await rows.connection.fetchval(
        "select count(*) from idempotency_keys where key = $1", given[KEY]
    )
    # The key is each user's own: what one tried is nothing to another.
    assert await asker.data(manager, mutation(name), given=given)
