"""Listing sessions and ending them: one's own, and those of users whom one may write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from graph.scalars import encoded_id
from tests.graph.identity.conftest import user_id
from tests.graph.identity.test_mutations import mutation

if TYPE_CHECKING:
    from tests.factories.rows import Person
    from tests.graph.identity.conftest import Graph

SESSIONS = "sessions { id userAgent address createdAt lastUsedAt expiresAt isCurrent }"
MINE = f"{{ {SESSIONS} }}"
OF_USER = "query ($id: ID!) { sessions(userId: $id) { id } }"
OF_TWO = """
query ($id: ID!, $other: ID!) {
  sessions(userId: $id) { id }
  other: sessions(userId: $other) { id }
}
"""
REVOKE = mutation("revokeSession", "user { id }")
REVOKE_ALL = mutation("revokeSessions", "revoked user { id }")
VIEWER = "{ viewer { user { id } } }"


def session_id(person: Person) -> str:
    return encoded_id("Session", person.session_id)


async def shown(graph: Graph, caller: Person, target: Person) -> list[str]:
    """The ids of the sessions that somebody sees of somebody."""
    found = await graph.data(OF_USER, caller, id=user_id(target))
    return [each["id"] for each in found["sessions"]]


async def signed_in_again(graph: Graph, person: Person, **values: Any) -> tuple[str, str]:
    """Another session of somebody's: its id, and an access token of it."""
    row = await graph.office.rows.session(person.id, **values)
    return encoded_id("Session", row.id), graph.office.tokens.access(person.id, row.id)[0]


async def test_shows_ones_own_open_sessions(graph: Graph) -> None:
    manager = graph.office.manager
    other, _ = await signed_in_again(graph, manager, ip_address="192.0.2.9")
    ended, _ = await signed_in_again(graph, manager, seconds=-1)
    found = (await graph.data(MINE, manager))["sessions"]
    assert [each["id"] for each in found] == [other, session_id(manager)]
    assert ended not in str(found)
    assert [each["isCurrent"] for each in found] == [False, True]
    assert [each["address"] for each in found] == ["192.0.2.9", None]


async def test_shows_others_sessions_to_whoever_may_write_them_alone(graph: Graph) -> None:
    office = graph.office
    editor = await office.rows.person(office.place, roles=("editor",))
    shared = await office.rows.person(office.place, office.elsewhere)
    colleague = await office.rows.person(office.below, roles=("viewer",))
    assert await shown(graph, office.manager, editor) == [session_id(editor)]
    assert await shown(graph, office.manager, colleague) == [session_id(colleague)]
    # Whoever also belongs elsewhere is not the manager's to sign out.
    assert await shown(graph, office.manager, shared) == []
    assert await shown(graph, editor, editor) == [session_id(editor)]
    assert await shown(graph, editor, office.manager) == []


async def test_lists_the_sessions_of_several_users_in_one_statement(graph: Graph) -> None:
    manager, other = graph.office.manager, await graph.office.rows.person(graph.office.place)
    await graph.data(OF_TWO, manager, id=user_id(manager), other=user_id(other))
    assert sum("sessions_of" in text for text in graph.statements) == 1


async def test_an_ended_session_is_refused_from_the_next_request_on(graph: Graph) -> None:
    manager = graph.office.manager
    other, token = await signed_in_again(graph, manager)
    assert (await graph.data(VIEWER, token=token))["viewer"]
    await graph.data(REVOKE, manager, input={"sessionId": other})
    assert await shown(graph, manager, manager) == [session_id(manager)]
    assert await graph.code(VIEWER, token=token) == "UNAUTHENTICATED"
    assert (await graph.data(VIEWER, manager))["viewer"]
    # Once more there is nothing to end.
    assert await graph.code(REVOKE, manager, input={"sessionId": other}) == "NOT_FOUND"


async def test_an_ended_session_cant_be_refreshed(graph: Graph) -> None:
    office = graph.office
    row = await office.row("sessions", office.manager.session_id)
    token = office.tokens.refresh(row.user_id, row.id, 1, row.expires_at)
    other, _ = await signed_in_again(graph, office.manager)
    assert other
    own = {"sessionId": session_id(office.manager)}
    answer = await graph.data(REVOKE, office.manager, input=own)
    assert answer["revokeSession"] == {"user": None}
    refresh = mutation("refreshSession", "accessToken")
    assert await graph.code(refresh, input={"refreshToken": token}) == "UNAUTHENTICATED"


async def test_a_manager_ends_the_sessions_of_a_user(graph: Graph) -> None:
    office = graph.office
    editor = await office.rows.person(office.below, roles=("editor",))
    second, token = await signed_in_again(graph, editor)
    await graph.data(REVOKE, office.manager, input={"sessionId": second})
    assert await graph.code(VIEWER, token=token) == "UNAUTHENTICATED"
    assert (await graph.data(VIEWER, editor))["viewer"]
    await signed_in_again(graph, editor)
    answer = await graph.data(REVOKE_ALL, office.manager, input={"userId": user_id(editor)})
    assert answer["revokeSessions"] == {"revoked": 2, "user": {"id": user_id(editor)}}
    assert await shown(graph, office.manager, editor) == []
    assert await graph.code(VIEWER, editor) == "UNAUTHENTICATED"
    row = await office.row("sessions", editor.session_id)
    assert row.revoked_reason == "revoked"


async def test_ending_all_of_ones_own_keeps_the_one_that_asks(graph: Graph) -> None:
    manager = graph.office.manager
    _, token = await signed_in_again(graph, manager)
    answer = await graph.data(REVOKE_ALL, manager, input={"userId": user_id(manager)})
    assert answer["revokeSessions"]["revoked"] == 1
    assert await graph.code(VIEWER, token=token) == "UNAUTHENTICATED"
    assert (await graph.data(VIEWER, manager))["viewer"]


async def test_nobody_ends_a_session_that_is_not_theirs_to_end(graph: Graph) -> None:
    office = graph.office
    editor = await office.rows.person(office.place, roles=("editor",))
    stranger = await office.rows.person(office.elsewhere)
    shared = await office.rows.person(office.place, office.elsewhere)
    cases = [
        (editor, office.manager, "NOT_FOUND", "FORBIDDEN"),
        (office.manager, stranger, "NOT_FOUND", "NOT_FOUND"),
        (office.manager, shared, "NOT_FOUND", "FORBIDDEN"),
    ]
    for caller, target, of_one, of_all in cases:
        one, every = {"sessionId": session_id(target)}, {"userId": user_id(target)}
        assert await graph.code(REVOKE, caller, input=one) == of_one
        assert await graph.code(REVOKE_ALL, caller, input=every) == of_all
        assert (await graph.data(VIEWER, target))["viewer"]
    assert await graph.code(REVOKE, input={"sessionId": session_id(editor)}) == "UNAUTHENTICATED"


@pytest.mark.parametrize("text", ["", "nothing", encoded_id("Session", UUID(int=7))])
async def test_a_session_that_is_none_is_not_found(graph: Graph, text: str) -> None:
    assert await graph.code(REVOKE, graph.office.manager, input={"sessionId": text}) == "NOT_FOUND"
