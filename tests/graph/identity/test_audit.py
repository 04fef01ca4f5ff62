"""Reading the audit log through the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.factories.rows import PASSWORD
from tests.graph.identity.conftest import department_id, user_id
from tests.graph.identity.test_mutations import mutation

if TYPE_CHECKING:
    from tests.factories.rows import Person
    from tests.graph.identity.conftest import Graph

ENTRY = (
    "id createdAt operation tableName recordId oldValues newValues changeReason requestId address "
    "byApiToken actor { id displayName } department { id }"
)
LOGS = f"""
query ($filter: AuditLogFilter, $first: Int, $after: String) {{
  auditLogs(filter: $filter, first: $first, after: $after) {{
    totalCount nodes {{ {ENTRY} }} pageInfo {{ endCursor hasNextPage }}
  }}
}}
"""
UPDATE = mutation("updateDepartment", "department { id }")


async def logs(graph: Graph, person: Person, **filter: Any) -> list[dict[str, Any]]:
    found = await graph.data(LOGS, person, first=100, filter=filter)
    nodes: list[dict[str, Any]] = found["auditLogs"]["nodes"]
    return nodes


async def renamed(graph: Graph, name: str, person: Person | None = None) -> str:
    """Renames the office's department, and gives its id."""
    key = department_id(graph.office.place)
    asked = {"department": key, "name": name}
    await graph.data(UPDATE, person or graph.office.manager, input=asked)
    return key


async def test_tells_who_changed_what_and_where_from(graph: Graph) -> None:
    manager = graph.office.manager
    before = await graph.office.row("departments", graph.office.place)
    key = await renamed(graph, "Renamed")
    (entry,) = await logs(graph, manager, recordId=key, operation=["UPDATE"])
    assert entry["actor"] == {"id": user_id(manager), "displayName": " Person"}
    assert (entry["tableName"], entry["operation"]) == ("departments", "UPDATE")
    assert (entry["oldValues"], entry["newValues"]) == ({"name": before.name}, {"name": "Renamed"})
    assert entry["address"] == "127.0.0.1"
    assert len(entry["requestId"]) == 36
    assert entry["department"] == {"id": key}
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on AuditLog {{ {ENTRY} }} }} }}"
    node = await graph.data(query, manager, id=entry["id"])
    assert node["node"] == entry


async def test_finds_by_actor_table_operation_and_time(graph: Graph) -> None:
    office = graph.office
    second = await office.rows.person(office.place)
    await renamed(graph, "First")
    key = await renamed(graph, "Second", second)
    found = await logs(graph, second, actorId=user_id(second))
    assert [entry["newValues"] for entry in found] == [{"name": "Second"}]
    both = await logs(graph, second, recordId=key, operation=["UPDATE"])
    assert [entry["newValues"]["name"] for entry in both] == ["Second", "First"]
    middle = both[0]["createdAt"]
    later = await logs(graph, second, recordId=key, createdFrom=middle)
    assert [entry["newValues"] for entry in later] == [{"name": "Second"}]
    earlier = await logs(graph, second, recordId=key, operation=["UPDATE"], createdBefore=middle)
    assert [entry["newValues"] for entry in earlier] == [{"name": "First"}]
    members = await logs(graph, second, tableName=["user_departments"])
    assert {entry["tableName"] for entry in members} == {"user_departments"}
    assert await logs(graph, second, tableName=["datasets"]) == []


async def test_pages_without_a_gap(graph: Graph) -> None:
    for number in range(5):
        key = await renamed(graph, f"Name {number}")
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = (
            await graph.data(
                LOGS,
                graph.office.manager,
                first=2,
                after=after,
                filter={"recordId": key, "operation": ["UPDATE"]},
            )
        )["auditLogs"]
        assert page["totalCount"] == 5
        seen += [node["newValues"]["name"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == [f"Name {number}" for number in (4, 3, 2, 1, 0)]


async def test_shows_a_department_its_own_alone(graph: Graph) -> None:
    office = graph.office
    key = await renamed(graph, "Ours")
    stranger = await office.rows.person(office.elsewhere)
    (entry,) = await logs(graph, office.manager, recordId=key, operation=["UPDATE"])
    assert await logs(graph, stranger, recordId=key) == []
    assert await logs(graph, stranger, actorId=user_id(office.manager)) == []
    node = await graph.data("query ($id: ID!) { node(id: $id) { id } }", stranger, id=entry["id"])
    assert node == {"node": None}
    allowed = {department_id(key) for key in (office.place, office.below)}
    for each in await logs(graph, office.manager):
        assert each["department"]["id"] in allowed


async def test_needs_the_permission_to_read_it(graph: Graph) -> None:
    office = graph.office
    key = await renamed(graph, "Ours")
    editor = await office.rows.person(office.place, roles=("editor",))
    assert await logs(graph, editor) == []
    assert await logs(graph, office.manager, recordId=key)
    assert await graph.code(LOGS) == "UNAUTHENTICATED"


async def test_shows_what_is_of_no_department_to_the_whole_company_alone(graph: Graph) -> None:
    office = graph.office
    login = mutation("login", "expiresAt")
    given = {"email": office.manager.email, "password": PASSWORD}
    await graph.data(login, input=given)
    assert await logs(graph, office.manager, tableName=["sessions", "users"]) == []
    company = await office.rows.person(await office.rows.department_id("company"), roles=("admin",))
    found = await logs(graph, company, tableName=["sessions"], actorId=user_id(office.manager))
    assert [entry["changeReason"] for entry in found] == ["login"]
    assert found[0]["department"] is None
    assert "generation" not in found[0]["newValues"]
    # Narrowed to a department, nobody sees the whole company.
    narrow = await graph.data(
        LOGS, company, department="sales", first=5, filter={"tableName": ["sessions"]}
    )
    assert narrow["auditLogs"]["nodes"] == []


async def test_a_refused_change_leaves_no_entry(graph: Graph) -> None:
    office = graph.office
    editor = await office.rows.person(office.place, roles=("editor",))
    key = department_id(office.place)
    # It compares the audit log before and after, among all other tables.
    assert await graph.code(UPDATE, editor, input={"department": key, "name": "No"}) == "FORBIDDEN"


async def test_what_comes_back_after_a_password_change_holds_no_password(graph: Graph) -> None:
    manager = graph.office.manager
    change = mutation("changePassword", "viewer { user { id } }")
    given = {"oldPassword": PASSWORD, "newPassword": "another long password"}
    await graph.data(change, manager, input=given)
    row = await graph.office.row("users", manager.id)
    found = await graph.office.rows.connection.fetch(
        "select a::text as text, a.new_values from audit_logs a where record_id = $1",
        str(manager.id),
    )
    assert any("password_changed_at" in (each.new_values or {}) for each in found)
    for each in found:
        assert row.password_hash not in each.text
        assert "another long password" not in each.text
