from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from graph.scalars import encoded_id
from tests.graph.identity.conftest import department_id, user_id

if TYPE_CHECKING:
    from tests.graph.identity.conftest import Graph

NESTED = """
query ($parent: ID) {
  departments(first: 50, filter: {parentId: $parent}) {
    totalCount
    nodes {
      id code
      parent { code }
      manager { id displayName }
      children(first: 3) { totalCount nodes { code parent { id } } }
      members(first: 5) {
        totalCount
        edges { cursor node { email departments { code } roles { name permissions } } }
      }
      workspaces(first: 2) { totalCount nodes { name } }
      datasets(first: 2) { nodes { name } }
      uploads(first: 2) { nodes { status } }
      jobs(first: 2) { nodes { status createdBy { displayName } } }
      results(first: 2) { nodes { resultType } }
    }
  }
}
"""


async def test_nesting_takes_one_statement_a_level_whatever_the_number(graph: Graph) -> None:
    office = graph.office
    counts, sizes = [], []
    for number in (1, 6):
        top = await office.rows.department(office.place)
        for _ in range(number):
            below = await office.rows.department(top, manager_id=office.manager.id)
            for _ in range(number):
                await office.rows.department(below)
                person = await office.rows.person(below, roles=("editor", "viewer"))
            workspace = await office.rows.workspace(below, person.id)
            dataset = await office.rows.dataset(below, person.id, workspace_id=workspace.id)
            await office.rows.upload(dataset)
            await office.rows.result(await office.rows.job(below, person.id, dataset))
        found = await graph.data(NESTED, office.manager, parent=department_id(top))
        nodes = found["departments"]["nodes"]
        counts.append(len(graph.statements))
        sizes.append((len(nodes), sum(len(node["members"]["edges"]) for node in nodes)))
        for node in nodes:
            assert node["manager"]["displayName"] == " Person"
            assert node["children"]["totalCount"] == node["members"]["totalCount"] == number
            assert [child["parent"]["id"] for child in node["children"]["nodes"]] == [
                node["id"]
            ] * min(number, 3)
            for edge in node["members"]["edges"]:
                assert edge["node"]["departments"] == [{"code": node["code"]}]
                assert [role["name"] for role in edge["node"]["roles"]] == ["editor", "viewer"]
            assert node["jobs"]["nodes"][0]["createdBy"]["displayName"] == " Person"
            assert len(node["results"]["nodes"]) == len(node["uploads"]["nodes"]) == 1
    assert sizes == [(1, 1), (6, 30)]
    assert counts[0] == counts[1]
    assert counts[0] <= 19


async def test_shows_of_the_tree_what_is_in_the_scope(graph: Graph) -> None:
    query = "{ departments(first: 100) { totalCount nodes { code parent { code } } } }"
    office = graph.office
    place, below = await office.code(office.place), await office.code(office.below)
    found = (await graph.data(query, office.manager))["departments"]
    assert found["totalCount"] == 2
    assert {node["code"]: node["parent"] for node in found["nodes"]} == {
        place: None,
        below: {"code": place},
    }


@pytest.mark.parametrize("field", ["NAME", "CODE", "CREATED_AT"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_pages_through_departments_in_every_order(
    graph: Graph, field: str, direction: str
) -> None:
    office = graph.office
    made = [await office.rows.department(office.below, name=f"N{n % 2}") for n in range(5)]
    query = """
      query ($after: String, $order: DepartmentOrderBy, $parent: ID) {
        departments(first: 2, after: $after, orderBy: $order, filter: {parentId: $parent}) {
          pageInfo { hasNextPage endCursor } nodes { id code name createdAt }
        }
      }
    """
    order = {"field": field, "direction": direction}
    seen: list[dict[str, Any]] = []
    after = None
    while True:
        found = await graph.data(
            query, office.manager, after=after, order=order, parent=department_id(office.below)
        )
        seen += found["departments"]["nodes"]
        if not found["departments"]["pageInfo"]["hasNextPage"]:
            break
        after = found["departments"]["pageInfo"]["endCursor"]
    assert {node["id"] for node in seen} == {department_id(key) for key in made}
    assert len(seen) == 5
    key = {"NAME": "name", "CODE": "code", "CREATED_AT": "createdAt"}[field]
    values = [node[key] for node in seen]
    assert values == sorted(values, reverse=direction == "DESC")


async def test_filters_departments(graph: Graph) -> None:
    office = graph.office
    code = await office.code(office.below)
    await office.rows.connection.execute(
        "update departments set name = '100%_Ünder' where id = $1", office.below
    )
    query = "query ($f: DepartmentFilter) { departments(filter: $f) { nodes { code } totalCount } }"
    for given, codes in (
        ({"code": [code, await office.code(office.elsewhere), "company"]}, [code]),
        ({"nameContains": "%_ünd"}, [code]),
        ({"nameContains": "0_"}, []),
        ({"parentId": department_id(office.place)}, [code]),
        ({"parentId": department_id(office.elsewhere)}, []),
    ):
        found = (await graph.data(query, office.manager, f=given))["departments"]
        assert ([n["code"] for n in found["nodes"]], found["totalCount"]) == (codes, len(codes))


async def test_finds_a_department_by_id_or_code_in_the_scope_alone(graph: Graph) -> None:
    office = graph.office
    query = "query ($id: ID, $code: String) { department(id: $id, code: $code) { id } }"
    wanted = {"id": department_id(office.below)}
    for given in (wanted, {"code": await office.code(office.below)}):
        assert (await graph.data(query, office.manager, **given))["department"] == wanted
    statements = set()
    for key in (office.elsewhere, uuid4()):
        found = await graph.data(query, office.manager, id=department_id(key))
        assert found["department"] is None
        statements.add(tuple(graph.statements))
    assert len(statements) == 1
    for code in (await office.code(office.elsewhere), "company", "nil"):
        assert (await graph.data(query, office.manager, code=code))["department"] is None
    assert await graph.code(query, office.manager) == "INVALID_INPUT"
    assert await graph.code(query, office.manager, **wanted, code="x") == "INVALID_INPUT"
    for wrong in (user_id(office.manager), "words", ""):
        assert await graph.code(query, office.manager, id=wrong) == "NOT_FOUND"


async def test_shows_users_who_share_a_department_and_no_others(graph: Graph) -> None:
    office = graph.office
    colleague = await office.rows.person(office.below, full_name="Ada")
    stranger = await office.rows.person(office.elsewhere, full_name="Ada")
    both = await office.rows.person(office.elsewhere, office.place, full_name="Bob")
    query = """
      query ($f: UserFilter) {
        users(filter: $f, orderBy: {field: FULL_NAME}) {
          nodes { id fullName departments { id } } totalCount
        }
      }
    """
    found = (await graph.data(query, office.manager))["users"]
    assert {n["id"] for n in found["nodes"]} == {
        user_id(person) for person in (office.manager, colleague, both)
    }
    assert found["totalCount"] == 3
    (bob,) = [n for n in found["nodes"] if n["fullName"] == "Bob"]
    assert bob["departments"] == [{"id": department_id(office.place)}]
    found = (await graph.data(query, office.manager, f={"fullNameContains": "ada"}))["users"]
    assert [n["id"] for n in found["nodes"]] == [user_id(colleague)]
    found = (await graph.data(query, office.manager, f={"emailContains": stranger.email}))["users"]
    assert found == {"nodes": [], "totalCount": 0}
    found = (await graph.data(query, office.manager, f={"isActive": False}))["users"]
    assert found["totalCount"] == 0


async def test_a_stranger_is_an_actor_with_a_name_and_no_node(graph: Graph) -> None:
    office = graph.office
    stranger = await office.rows.person(office.elsewhere, full_name="Far Away")
    await office.rows.connection.execute(
        "update departments set manager_id = $1 where id = $2", stranger.id, office.below
    )
    query = "query ($id: ID!) { department(id: $id) { manager { id displayName } } }"
    found = await graph.data(query, office.manager, id=department_id(office.below))
    manager = found["department"]["manager"]
    assert manager == {"id": user_id(stranger), "displayName": "Far Away"}
    query = "query ($id: ID!) { node(id: $id) { id } user(id: $id) { email } }"
    for key in (manager["id"], encoded_id("User", uuid4())):
        found = await graph.data(query, office.manager, id=key)
        assert found == {"node": None, "user": None}
    found = await graph.data(query, stranger, id=manager["id"])
    assert found == {"node": {"id": manager["id"]}, "user": {"email": stranger.email}}


async def test_lists_the_roles_with_their_permissions(graph: Graph) -> None:
    viewer = await graph.office.rows.person(graph.office.place, roles=("viewer",))
    found = (await graph.data("{ roles { name description permissions } }", viewer))["roles"]
    roles = {role["name"]: role["permissions"] for role in found}
    assert roles["viewer"] == ["dataset:read", "job:read", "result:read", "user:read"]
    assert "user:write" in roles["manager"]
    assert "user:write" not in roles["editor"]
    assert len(graph.statements) == 2


async def test_without_a_role_one_sees_of_people_only_oneself(graph: Graph) -> None:
    office = graph.office
    alone = await office.rows.person(office.place, roles=())
    query = """
      query ($id: ID!) {
        viewer { user { id departments { id } } permissions }
        users { nodes { id } }
        user(id: $id) { id }
        departments { nodes { members { nodes { id } totalCount } } }
      }
    """
    found = await graph.data(query, alone, id=user_id(office.manager))
    assert found["viewer"]["user"] == {
        "id": user_id(alone),
        "departments": [{"id": department_id(office.place)}],
    }
    assert found["viewer"]["permissions"] == []
    assert found["users"]["nodes"] == [{"id": user_id(alone)}]
    assert found["user"] is None
    members = [node["members"] for node in found["departments"]["nodes"]]
    assert sorted(m["totalCount"] for m in members) == [0, 1]
