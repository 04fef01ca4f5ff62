"""Ids and cursors that are unknown, foreign, of another kind, or nothing at all."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import orjson
import pytest
from graphql import GraphQLInputObjectType, get_named_type

from domain.identity.tokens import Tokens
from domain.jobs.reads import Cursor
from graph.scalars import encoded_id
from graph.schema import schema
from tests.factories.databases import connected
from tests.factories.realms import Realm, realm_of
from tests.factories.rows import Rows
from tests.factories.unchanged import nothing_changes
from tests.graph.bad_input.conftest import client_of, stopped_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.graph.uploads import Client
    from tests.product import Product

TYPES = {
    "departments": "Department",
    "users": "User",
    "workspaces": "Workspace",
    "datasets": "Dataset",
    "uploads": "Upload",
    "jobs": "Job",
    "results": "Result",
}
ACCESS = {"sessions": "Session", "api_tokens": "ApiToken", "user_identities": "LinkedIdentity"}
"""What opens an account, which is no node."""

OWN_DATASET, OWN_DEPARTMENT, OWN_USER = "own dataset", "own department", "own user"
FILE = {"fileName": "table.csv", "sizeBytes": 10}
MACHINE = {
    "name": "mine",
    "permissions": ["dataset:read"],
    "expiresAt": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
}
REFERENCES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("abortUpload", "uploadId", "uploads", {}),
    ("completeUpload", "uploadId", "uploads", {}),
    ("resumeUpload", "uploadId", "uploads", {}),
    ("createUpload", "workspaceId", "workspaces", FILE),
    ("createUpload", "department", "departments", FILE),
    ("updateDataset", "datasetId", "datasets", {"name": "mine"}),
    ("updateDataset", "workspaceId", "workspaces", {"datasetId": OWN_DATASET}),
    ("deleteDataset", "datasetId", "datasets", {}),
    ("createWorkspace", "department", "departments", {"name": "mine"}),
    ("updateWorkspace", "workspaceId", "workspaces", {"name": "mine"}),
    ("deleteWorkspace", "workspaceId", "workspaces", {}),
    ("startJob", "datasetId", "datasets", {"jobType": "VALIDATION"}),
    ("cancelJob", "jobId", "jobs", {}),
    ("retryJob", "jobId", "jobs", {}),
    ("activateUser", "userId", "users", {}),
    ("deactivateUser", "userId", "users", {}),
    ("assignRole", "userId", "users", {"role": "viewer"}),
    ("revokeRole", "userId", "users", {"role": "viewer"}),
    ("assignDepartment", "userId", "users", {"department": OWN_DEPARTMENT}),
    ("assignDepartment", "department", "departments", {"userId": OWN_USER}),
    ("removeDepartment", "userId", "users", {"department": OWN_DEPARTMENT}),
    ("removeDepartment", "department", "departments", {"userId": OWN_USER}),
    ("createUser", "departments", "departments", {"email": "x@example.com", "fullName": "X"}),
    ("createDepartment", "parent", "departments", {"code": "mine", "name": "Mine"}),
    (
        "createDepartment",
        "managerId",
        "users",
        {"code": "mine", "name": "Mine", "parent": OWN_DEPARTMENT},
    ),
    ("moveDepartment", "department", "departments", {"parent": OWN_DEPARTMENT}),
    ("moveDepartment", "parent", "departments", {"department": OWN_DEPARTMENT}),
    ("updateDepartment", "department", "departments", {"name": "Mine"}),
    ("updateDepartment", "managerId", "users", {"department": OWN_DEPARTMENT}),
    ("revokeSession", "sessionId", "sessions", {}),
    ("revokeSessions", "userId", "users", {}),
    ("createApiToken", "departments", "departments", MACHINE),
    ("revokeApiToken", "apiTokenId", "api_tokens", {}),
    ("unlinkIdentity", "linkedIdentityId", "user_identities", {}),
]
PLACES = ("department", "departments", "parent")
"""Inputs that name a department by its code or its id."""


@pytest.fixture(scope="module")
def realms(served: Product) -> Iterator[tuple[Realm, Realm]]:
    """Two departments with something in every table, whose jobs no worker takes."""
    owner_url = served.settings.owner_database_url
    assert owner_url is not None

    async def made() -> tuple[Realm, Realm]:
        async with connected(owner_url.get_secret_value()) as owner:
            rows = Rows(owner)
            first = await realm_of(owner, "own", await rows.department(), roles=("admin",))
            return first, await realm_of(owner, "other", await rows.department())

    async def ended() -> None:
        async with connected(owner_url.get_secret_value()) as owner:
            await owner.execute("update uploads set status = 'aborted' where status = 'uploading'")
            await owner.execute(
                "update jobs set status = 'cancelled', completed_at = now() where status = 'queued'"
            )

    with stopped_worker(served):
        yield asyncio.run(made())
        asyncio.run(ended())


@pytest.fixture
def own(realms: tuple[Realm, Realm]) -> Realm:
    return realms[0]


@pytest.fixture
def other(realms: tuple[Realm, Realm]) -> Realm:
    return realms[1]


def test_every_reference_of_a_mutation_is_tried() -> None:
    built = schema()._schema
    assert built.mutation_type
    found = set()
    for name, field in built.mutation_type.fields.items():
        for argument in field.args.values():
            kind = get_named_type(argument.type)
            assert isinstance(kind, GraphQLInputObjectType)
            found |= {
                (name, given)
                for given, value in kind.fields.items()
                if get_named_type(value.type).name == "ID" or given in PLACES
            }
    assert found == {(mutation, field) for mutation, field, _, _ in REFERENCES}


@pytest.mark.parametrize(("mutation", "field", "table", "given"), REFERENCES)
async def test_a_mutation_finds_nothing_of_others(
    served: Product,
    own: Realm,
    other: Realm,
    owner: Any,
    mutation: str,
    field: str,
    table: str,
    given: dict[str, Any],
) -> None:
    client = client_of(served, own.person)
    answers: dict[str, Any] = {
        OWN_DATASET: encoded_id("Dataset", own.row("datasets").id),
        OWN_DEPARTMENT: own.row("departments").code,
        OWN_USER: encoded_id("User", own.colleague.id),
    }
    base = {name: answers.get(str(value), value) for name, value in given.items()}
    query = f"""
    mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) {{
      {mutation}(input: $input) {{ __typename }}
    }}
    """

    async def refused(value: str) -> dict[str, Any]:
        reference = [value] if field == "departments" else value
        error = await client.refusal(query, {"input": base | {field: reference}})
        assert error["extensions"].pop("requestId")
        return error

    row = other.colleague if table == "users" else other.row(table)
    name = (TYPES | ACCESS)[table]
    async with nothing_changes(owner):
        foreign = await refused(encoded_id(name, row.id))
        assert foreign["extensions"]["code"] == "NOT_FOUND"
        assert foreign == await refused(encoded_id(name, uuid4()))
        for wrong in ("", "no id", encoded_id("Role", uuid4()), str(row.id), "é" * 30):
            code = (await refused(wrong))["extensions"]["code"]
            assert code in {"NOT_FOUND", "INVALID_INPUT"}
        if field in PLACES:
            assert await refused(other.row("departments").code) == await refused("d" + "0" * 32)


@pytest.mark.parametrize("table", TYPES)
async def test_a_query_finds_nothing_of_others(
    served: Product, own: Realm, other: Realm, table: str
) -> None:
    client = client_of(served, own.person)
    name = TYPES[table]
    row = other.colleague if table == "users" else other.row(table)
    query = f"""
    query ($id: ID!) {{
      {name.lower()}(id: $id) {{ id }} node(id: $id) {{ id }} nodes(ids: [$id, $id]) {{ id }}
    }}
    """
    nothing = {name.lower(): None, "node": None, "nodes": [None, None]}
    for key in (row.id, uuid4()):
        assert await client.data(query, {"id": encoded_id(name, key)}) == nothing
    mine = encoded_id(name, own.colleague.id if table == "users" else own.row(table).id)
    found = await client.data(query, {"id": mine})
    assert found[name.lower()] == found["node"] == {"id": mine}


@pytest.mark.parametrize(
    ("topic", "type_name"),
    [("jobId", "Job"), ("datasetId", "Dataset"), ("department", "Department")],
)
async def test_a_subscription_finds_nothing_of_others(
    served: Product, own: Realm, other: Realm, topic: str, type_name: str
) -> None:
    client = client_of(served, own.person)
    kind = "String" if topic == "department" else "ID"
    query = f"subscription ($key: {kind}!) {{ jobEvents({topic}: $key) {{ kind }} }}"
    row = other.row(f"{type_name.lower()}s")
    answers = []
    for key in (row.id, uuid4()):
        variables = {"key": encoded_id(type_name, key)}
        seen = [payload async for payload in served.follow(query, variables, token=client.token)]
        (refusal,) = seen
        (error,) = refusal["errors"]
        assert error["extensions"].pop("requestId")
        assert error["extensions"] == {"code": "NOT_FOUND"}
        answers.append(error)
    assert answers[0] == answers[1]


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


KEY = str(UUID(int=1))
NO_CURSORS = [
    "",
    "x",
    "%%%",
    "é",
    cursor(None),
    cursor([]),
    cursor({"a": 1}),
    cursor([[[[[]]]]]),
    cursor(["created_at:desc", "2026-01-01T00:00:00+00:00", "no key"]),
    cursor(["created_at:desc", "2026-01-01T00:00:00", KEY]),
    cursor(["created_at:desc", "infinity", KEY]),
    cursor(["created_at:desc", 5, KEY]),
    cursor(["created_at:desc", None, KEY]),
    cursor(["created_at:desc", "2026-01-01T00:00:00+00:00", KEY, 1]),
    cursor(["password_hash:desc", "x", KEY]),
]


@pytest.mark.parametrize("text", NO_CURSORS)
@pytest.mark.parametrize("argument", ["after", "before"])
async def test_what_is_no_cursor_is_refused(client: Client, argument: str, text: str) -> None:
    query = f"query ($cursor: String) {{ datasets({argument}: $cursor) {{ nodes {{ id }} }} }}"
    error = await client.refusal(query, {"cursor": text})
    assert error["extensions"]["code"] == "INVALID_INPUT"
    (field,) = error["extensions"]["fieldErrors"]
    assert (field["path"], field["code"]) in [
        ([argument], "bad_cursor"),
        ([argument], "other_order"),
    ]


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T00:00:00Z"]
)
async def test_a_cursor_at_the_end_of_time_is_no_fault_of_ours(client: Client, moment: str) -> None:
    text = cursor(["created_at:desc", moment, KEY])
    query = "query ($after: String) { datasets(after: $after) { nodes { id } } }"
    answer = await client.served.ask(query, {"after": text}, token=client.token)
    for error in answer.get("errors", []):
        assert error["extensions"]["code"] == "INVALID_INPUT"


LIST = """
query ($after: String, $field: DatasetOrderField!, $direction: Direction!) {
  datasets(first: 1, after: $after, orderBy: {field: $field, direction: $direction}) {
    edges { cursor node { name } }
  }
}
"""


async def test_the_cursor_of_another_order_is_refused(served: Product, own: Realm) -> None:
    client = client_of(served, own.person)
    orders = [
        {"field": field, "direction": direction}
        for field in ("CREATED_AT", "NAME")
        for direction in ("ASC", "DESC")
    ]
    cursors = [
        (await client.data(LIST, order))["datasets"]["edges"][0]["cursor"] for order in orders
    ]
    for order in orders:
        for place, after in zip(orders, cursors, strict=True):
            if place == order:
                assert len((await client.data(LIST, order | {"after": after}))["datasets"]["edges"])
                continue
            error = await client.refusal(LIST, order | {"after": after})
            (field,) = error["extensions"]["fieldErrors"]
            assert (error["extensions"]["code"], field["code"]) == ("INVALID_INPUT", "other_order")
            assert "Start from its first page." in error["message"]


@pytest.mark.parametrize(
    "text", ["", "x", "é", cursor([1]), "LTI", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjE"]
)
async def test_what_is_no_cursor_of_an_event_is_refused(
    served: Product, own: Realm, text: str
) -> None:
    client = client_of(served, own.person)
    query = (
        "subscription ($id: ID!, $after: String) { jobEvents(jobId: $id, after: $after) { kind } }"
    )
    variables = {"id": encoded_id("Job", own.row("jobs").id), "after": text or "-"}
    seen = [each async for each in served.follow(query, variables, token=client.token)]
    (error,) = seen[0]["errors"]
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert error["extensions"]["fieldErrors"][0]["code"] == "bad_cursor"


async def test_the_cursor_of_events_long_gone_has_expired(served: Product, own: Realm) -> None:
    client = client_of(served, own.person)
    query = (
        "subscription ($id: ID!, $after: String) { jobEvents(jobId: $id, after: $after) { kind } }"
    )
    old = Cursor(5, datetime.fromtimestamp(1_500_000_000, UTC))
    after = Tokens(served.settings).sealed(str(old))
    variables = {"id": encoded_id("Job", own.row("jobs").id), "after": after}
    seen = [each async for each in served.follow(query, variables, token=client.token)]
    (error,) = seen[0]["errors"]
    assert error["extensions"]["code"] == "CURSOR_EXPIRED"
    assert "Subscribe again without a cursor." in error["message"]


def filters() -> list[tuple[str, str, str]]:
    """Each list of the graph with its filters' fields, and what type of thing each one names."""
    built = schema()._schema
    assert built.query_type
    found = []
    for name, field in built.query_type.fields.items():
        if "filter" not in field.args:
            continue
        kind = get_named_type(field.args["filter"].type)
        assert isinstance(kind, GraphQLInputObjectType)
        for given, value in kind.fields.items():
            if get_named_type(value.type).name == "ID":
                named = {
                    "owner": "User",
                    "uploader": "User",
                    "actor": "User",
                    "parent": "Department",
                    "record": "Dataset",
                }
                stem = given.removesuffix("Id")
                found.append((name, given, named.get(stem, stem.capitalize())))
    return found


@pytest.mark.parametrize(("list_name", "field", "type_name"), filters())
async def test_a_filter_finds_nothing_of_others(
    served: Product, own: Realm, other: Realm, list_name: str, field: str, type_name: str
) -> None:
    client = client_of(served, own.person)
    table = {name: table for table, name in TYPES.items()}[type_name]
    row = other.colleague if table == "users" else other.row(table)
    query = f"""
    query ($id: ID!) {{ {list_name}(filter: {{{field}: $id}}) {{ nodes {{ id }} totalCount }} }}
    """
    for key in (row.id, uuid4()):
        found = await client.data(query, {"id": encoded_id(type_name, key)})
        assert found == {list_name: {"nodes": [], "totalCount": 0}}
    # An entry of the audit log can be about anything that has an id.
    wrong_kind = ("",) if field == "recordId" else ("", encoded_id("Role", uuid4()))
    for wrong in ("no id", *wrong_kind):
        error = await client.refusal(query, {"id": wrong})
        assert error["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("text", ["%", "_", "\\", "' or true --", "$1", "x" * 20_000, "\0"])
async def test_a_filter_takes_any_text_for_text(served: Product, own: Realm, text: str) -> None:
    client = client_of(served, own.person)
    query = """
    query ($text: String!) { datasets(filter: {nameContains: $text}) { totalCount nodes { id } } }
    """
    answer = await served.ask(query, {"text": text}, token=client.token)
    if "errors" in answer:
        assert answer["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
    else:
        assert answer["data"]["datasets"] == {"totalCount": 0, "nodes": []}
