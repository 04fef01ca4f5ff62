"""Machines by API token: what one may do is some of what its maker may do today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from domain.permissions import Permission
from graph.scalars import encoded_id
from tests.graph.identity.conftest import department_id, user_id
from tests.graph.identity.test_mutations import mutation, newcomer

if TYPE_CHECKING:
    from tests.factories.rows import Person
    from tests.graph.identity.conftest import Graph

TOKEN = "id name permissions departments { id } expiresAt lastUsedAt"
CREATE = mutation("createApiToken", f"token apiToken {{ {TOKEN} }}")
REVOKE = mutation("revokeApiToken", "viewer { apiTokens { id } }")
MINE = f"{{ viewer {{ apiTokens {{ {TOKEN} }} }} }}"
VIEWER = "{ viewer { user { id } scope permissions } }"


def given(*departments: str, **values: Any) -> dict[str, Any]:
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    return {
        "name": "Nightly",
        "permissions": ["dataset:read", "user:read"],
        "departments": list(departments),
        "expiresAt": later,
    } | values


async def made(
    graph: Graph, person: Person | None = None, **values: Any
) -> tuple[str, dict[str, Any]]:
    """A token of somebody's, the manager's unless said otherwise, with what is known of it."""
    asked = given(department_id(graph.office.place)) | values
    answer = await graph.data(CREATE, person or graph.office.manager, input=asked)
    payload = answer["createApiToken"]
    return payload["token"], payload["apiToken"]


async def test_makes_a_token_that_is_shown_once_and_kept_as_a_digest(graph: Graph) -> None:
    text, known = await made(graph)
    assert text.startswith("aft_")
    assert known["name"] == "Nightly"
    assert known["departments"] == [{"id": department_id(graph.office.place)}]
    mine = (await graph.data(MINE, graph.office.manager))["viewer"]["apiTokens"]
    assert mine == [known]
    rows = await graph.office.rows.connection.fetch(
        "select t::text as text from api_tokens t union all select a::text from audit_logs a"
    )
    assert rows
    assert all(text not in row.text and text[4:] not in row.text for row in rows)


async def test_a_token_opens_what_it_names_and_no_more(graph: Graph) -> None:
    office = graph.office
    text, _ = await made(graph, departments=[department_id(office.below)])
    found = (await graph.data(VIEWER, token=text))["viewer"]
    assert found == {
        "user": {"id": user_id(office.manager)},
        "scope": [department_id(office.below)],
        "permissions": ["dataset:read", "user:read"],
    }
    create = mutation("createUser", "user { id }")
    wanted = newcomer(department_id(office.below))
    assert await graph.code(create, token=text, input=wanted) == "FORBIDDEN"
    outside = newcomer(department_id(office.place))
    assert await graph.code(create, token=text, input=outside) == "NOT_FOUND"
    may, _ = await made(graph, permissions=["user:write", "user:read"])
    assert (await graph.data(create, token=may, input=wanted))["createUser"]["user"]["id"]


async def test_a_token_narrows_further_and_never_wider(graph: Graph) -> None:
    office = graph.office
    text, _ = await made(graph)
    narrow = await office.code(office.below)
    found = (await graph.data(VIEWER, token=text, department=narrow))["viewer"]
    assert found["scope"] == [department_id(office.below)]
    beyond, _ = await made(graph, departments=[department_id(office.below)])
    elsewhere = await office.code(office.elsewhere)
    assert await graph.code(VIEWER, token=beyond, department=elsewhere) == "NOT_FOUND"
    # What is above the token's departments holds them, and so narrows to no less.
    above = await office.code(office.place)
    found = (await graph.data(VIEWER, token=beyond, department=above))["viewer"]
    assert found["scope"] == [department_id(office.below)]


async def test_a_token_follows_what_its_maker_may_do_today(graph: Graph) -> None:
    office, connection = graph.office, graph.office.rows.connection
    person = await office.rows.person(office.place, office.elsewhere)
    places = [department_id(office.place), department_id(office.elsewhere)]
    text, _ = await made(graph, person, departments=places)
    assert len((await graph.data(VIEWER, token=text))["viewer"]["scope"]) == 3
    await connection.execute(
        "delete from user_departments where user_id = $1 and department_id = $2",
        person.id,
        office.elsewhere,
    )
    scope = (await graph.data(VIEWER, token=text))["viewer"]["scope"]
    assert set(scope) == {department_id(office.place), department_id(office.below)}
    await connection.execute("delete from user_roles where user_id = $1", person.id)
    assert (await graph.data(VIEWER, token=text))["viewer"]["permissions"] == []
    await connection.execute("update users set is_active = false where id = $1", person.id)
    assert await graph.code(VIEWER, token=text) == "UNAUTHENTICATED"


async def test_nobody_gives_a_token_more_than_its_own(graph: Graph) -> None:
    office = graph.office
    editor = await office.rows.person(office.below, roles=("editor",))
    here = department_id(office.below)
    for values, code in (
        ({"permissions": ["user:write"]}, "FORBIDDEN"),
        ({"permissions": ["dataset:read", "audit:read"]}, "FORBIDDEN"),
        ({"departments": [department_id(office.place)]}, "NOT_FOUND"),
        ({"departments": [department_id(office.elsewhere)]}, "NOT_FOUND"),
        ({"departments": []}, "INVALID_INPUT"),
        ({"permissions": []}, "INVALID_INPUT"),
        ({"permissions": ["everything:do"]}, "INVALID_INPUT"),
        ({"name": " "}, "INVALID_INPUT"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "INVALID_INPUT"),
        ({"expiresAt": "2100-01-01T00:00:00Z"}, "INVALID_INPUT"),
    ):
        assert await graph.code(CREATE, editor, input=given(here, **values)) == code, values
    assert (await graph.data(CREATE, editor, input=given(here)))["createApiToken"]["token"]


async def test_a_revoked_and_an_expired_token_open_nothing(graph: Graph) -> None:
    manager = graph.office.manager
    text, known = await made(graph)
    other, kept = await made(graph)
    asked = {"apiTokenId": known["id"]}
    answer = await graph.data(REVOKE, manager, input=asked)
    assert answer["revokeApiToken"]["viewer"]["apiTokens"] == [{"id": kept["id"]}]
    assert await graph.code(VIEWER, token=text) == "UNAUTHENTICATED"
    assert await graph.data(REVOKE, manager, input=asked)
    assert (await graph.data(VIEWER, token=other))["viewer"]
    await graph.office.rows.connection.execute("update api_tokens set expires_at = now()")
    assert await graph.code(VIEWER, token=other) == "UNAUTHENTICATED"


async def test_nobody_revokes_anothers_token(graph: Graph) -> None:
    office = graph.office
    text, known = await made(graph)
    colleague = await office.rows.person(office.place)
    asked = {"apiTokenId": known["id"]}
    assert await graph.code(REVOKE, colleague, input=asked) == "NOT_FOUND"
    assert (await graph.data(MINE, colleague))["viewer"]["apiTokens"] == []
    assert (await graph.data(VIEWER, token=text))["viewer"]


OF_A_PERSON: list[tuple[str, dict[str, Any]]] = [
    ("createApiToken", {}),
    ("revokeApiToken", {"apiTokenId": "id"}),
    ("updateProfile", {"fullName": "A machine"}),
    ("changePassword", {"oldPassword": "correct horse battery staple", "newPassword": "x" * 20}),
    ("revokeSessions", {"userId": "me"}),
    ("completeLink", {"code": "code", "verifier": "verifier"}),
    ("unlinkIdentity", {"linkedIdentityId": "linked"}),
]


@pytest.mark.parametrize(("name", "values"), OF_A_PERSON, ids=[name for name, _ in OF_A_PERSON])
async def test_a_token_does_nothing_that_only_a_person_may(
    graph: Graph, name: str, values: dict[str, Any]
) -> None:
    office = graph.office
    everything = [
        each.value for each in Permission
        if each.value in (await graph.data(VIEWER, office.manager))["viewer"]["permissions"]
    ]  # fmt: skip
    text, known = await made(graph, permissions=everything)
    linked = await office.rows.user_identity(office.manager.id)
    known_ids = {
        "id": known["id"],
        "me": user_id(office.manager),
        "linked": encoded_id("LinkedIdentity", linked.id),
    }
    asked = {key: known_ids.get(value, value) for key, value in values.items()}
    if name == "createApiToken":
        asked = given(department_id(office.place))
    assert await graph.code(mutation(name, "__typename"), token=text, input=asked) == "FORBIDDEN"


async def test_a_token_neither_signs_out_nor_shows_what_is_a_persons(graph: Graph) -> None:
    text, _ = await made(graph)
    for query in (
        "mutation { logout { ended } }",
        "mutation { requestEmailVerification { accepted } }",
        "{ viewer { apiTokens { id } } }",
        "{ viewer { linkedIdentities { id } } }",
    ):
        assert await graph.code(query, token=text) in {"FORBIDDEN", "UNAVAILABLE"}, query
    assert (await graph.data("{ sessions { id } }", token=text))["sessions"] == []
    assert (await graph.data(VIEWER, graph.office.manager))["viewer"]


async def test_notes_when_a_token_was_last_used(graph: Graph) -> None:
    text, known = await made(graph)
    assert known["lastUsedAt"] is None
    await graph.data(VIEWER, token=text)
    (mine,) = (await graph.data(MINE, graph.office.manager))["viewer"]["apiTokens"]
    assert mine["lastUsedAt"] is not None
    # A second use within the minute writes nothing.
    await graph.data(VIEWER, token=text)
    assert (await graph.data(MINE, graph.office.manager))["viewer"]["apiTokens"] == [mine]


async def test_what_a_machine_does_is_told_from_what_its_maker_does(graph: Graph) -> None:
    office = graph.office
    text, _ = await made(graph, permissions=["department:write"])
    update = mutation("updateDepartment", "department { name }")
    asked = {"department": department_id(office.place), "name": "By a machine"}
    await graph.data(update, token=text, input=asked)
    logs = "{ auditLogs(first: 2) { nodes { tableName byApiToken actor { id } newValues } } }"
    newest, before = (await graph.data(logs, office.manager))["auditLogs"]["nodes"]
    assert newest["newValues"] == {"name": "By a machine"}
    assert newest["byApiToken"] is True
    assert newest["actor"] == {"id": user_id(office.manager)}
    assert before["byApiToken"] is False


async def test_nobody_holds_more_than_fifty(graph: Graph) -> None:
    office = graph.office
    for _ in range(50):
        await office.rows.api_token(office.manager.id, office.place)
    asked = given(department_id(office.place))
    assert await graph.code(CREATE, office.manager, input=asked) == "LIMIT_EXCEEDED"
