from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.factories.rows import PASSWORD
from tests.graph.identity.conftest import department_id, user_id

if TYPE_CHECKING:
    from tests.graph.identity.conftest import Graph

LOGIN = """
mutation ($email: String!, $password: String!) {
  login(input: {email: $email, password: $password}) {
    accessToken refreshToken expiresAt
    viewer { user { id email fullName lastLoginAt } departments { id code } scope permissions }
  }
}
"""
REFRESH = """
mutation ($refresh: String!) {
  refreshSession(input: {refreshToken: $refresh}) {
    accessToken refreshToken expiresAt viewer { user { id } }
  }
}
"""
VIEWER = "{ viewer { user { id email } departments { code } scope permissions } }"
LOGOUT = "mutation { logout { ended } }"


async def signed_in(graph: Graph, **headers: Any) -> dict[str, Any]:
    found = await graph.data(LOGIN, email=graph.office.manager.email, password=PASSWORD, **headers)
    tokens: dict[str, Any] = found["login"]
    return tokens


async def test_login_gives_tokens_and_whose_they_are(graph: Graph) -> None:
    manager = graph.office.manager
    found = await signed_in(graph)
    assert found["viewer"]["user"]["id"] == user_id(manager)
    assert found["viewer"]["user"]["lastLoginAt"] is not None
    assert [d["id"] for d in found["viewer"]["departments"]] == [department_id(graph.office.place)]
    assert set(found["viewer"]["scope"]) == {
        department_id(key) for key in (graph.office.place, graph.office.below)
    }
    assert "user:write" in found["viewer"]["permissions"]
    assert datetime.fromisoformat(found["expiresAt"]).tzinfo is not None
    viewer = (await graph.data(VIEWER, token=found["accessToken"]))["viewer"]
    assert viewer["user"]["email"] == manager.email


async def test_login_works_with_a_stale_token_in_hand(graph: Graph) -> None:
    assert (await graph.ask(VIEWER, token="stale"))["errors"]
    assert (await signed_in(graph, token="stale"))["accessToken"]


async def test_login_answers_the_same_for_an_unknown_address_and_a_wrong_password(
    graph: Graph,
) -> None:
    answers = []
    for email in (graph.office.manager.email, f"{uuid4().hex}@example.com"):
        answer = await graph.ask(LOGIN, email=email, password="not the password")
        error = answer["errors"][0]
        assert answer["data"] is None
        assert error["extensions"].pop("requestId")
        answers.append((error, list(graph.statements)))
    assert answers[0] == answers[1]
    assert answers[0][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_refreshing_rotates_and_reuse_ends_the_session(graph: Graph) -> None:
    first = await signed_in(graph)
    second = (await graph.data(REFRESH, **variables(first)))["refreshSession"]
    assert second["viewer"]["user"]["id"] == user_id(graph.office.manager)
    assert await graph.data(VIEWER, token=second["accessToken"])
    for used in (first, second):
        answer = await graph.ask(REFRESH, **variables(used))
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await graph.code(VIEWER, token=second["accessToken"]) == "UNAUTHENTICATED"


def variables(tokens: dict[str, Any]) -> dict[str, Any]:
    return {"refresh": tokens["refreshToken"]}


async def test_an_access_token_refreshes_nothing(graph: Graph) -> None:
    found = await signed_in(graph)
    given = {"refreshToken": found["accessToken"]}
    assert await graph.code(REFRESH, **variables(given)) == "UNAUTHENTICATED"
    assert await graph.code(VIEWER, token=found["refreshToken"]) == "UNAUTHENTICATED"


async def test_logout_ends_the_session_at_once_and_can_be_repeated(graph: Graph) -> None:
    found = await signed_in(graph)
    token = found["accessToken"]
    for _ in range(2):
        assert (await graph.data(LOGOUT, token=token))["logout"] == {"ended": True}
    assert await graph.code(VIEWER, token=token) == "UNAUTHENTICATED"
    assert await graph.code(REFRESH, **variables(found)) == "UNAUTHENTICATED"


@pytest.mark.parametrize("token", [None, "", "stale"])
async def test_nobody_is_nobody(graph: Graph, token: str | None) -> None:
    for query in (VIEWER, LOGOUT, "{ departments { totalCount } }", "{ roles { name } }"):
        assert await graph.code(query, token=token) == "UNAUTHENTICATED"


async def test_the_department_header_narrows_and_never_widens(graph: Graph) -> None:
    office = graph.office
    below = await office.code(office.below)
    viewer = (await graph.data(VIEWER, office.manager, department=below))["viewer"]
    assert viewer["scope"] == [department_id(office.below)]
    assert viewer["departments"] == []
    for code in (await office.code(office.elsewhere), "company", "nil", str(uuid4())):
        assert await graph.code(VIEWER, office.manager, department=code) == "NOT_FOUND"
    assert await graph.code(VIEWER, office.manager, department="'; drop") == "INVALID_INPUT"


PASSWORDS = """
mutation ($old: String!, $new: String!) {
  changePassword(input: {oldPassword: $old, newPassword: $new}) { viewer { user { id } } }
}
"""


async def test_changing_the_password_keeps_this_session_and_ends_the_others(
    graph: Graph,
) -> None:
    other = await signed_in(graph)
    manager = graph.office.manager
    found = await graph.data(PASSWORDS, manager, old=PASSWORD, new="a new password")
    assert found["changePassword"]["viewer"]["user"]["id"] == user_id(manager)
    assert await graph.data(VIEWER, manager)
    assert await graph.code(VIEWER, token=other["accessToken"]) == "UNAUTHENTICATED"


async def test_a_wrong_old_password_and_a_bad_new_one_name_their_field(graph: Graph) -> None:
    manager = graph.office.manager
    answer = await graph.ask(PASSWORDS, manager, old="not the password", new="a new password")
    assert [e["path"] for e in answer["errors"][0]["extensions"]["fieldErrors"]] == [
        ["oldPassword"]
    ]
    error = await graph.refusal(PASSWORDS, manager, old=PASSWORD, new="é" * 37)
    assert error["extensions"]["code"] == "INVALID_INPUT"
    assert [e["path"] for e in error["extensions"]["fieldErrors"]] == [["newPassword"]]


async def test_the_profile_is_ones_own(graph: Graph) -> None:
    viewer = await graph.office.rows.person(graph.office.place, roles=())
    query = """
      mutation { updateProfile(input: {fullName: "Another"}) { viewer { user { fullName } } } }
    """
    found = await graph.data(query, viewer)
    assert found["updateProfile"]["viewer"]["user"]["fullName"] == "Another"
