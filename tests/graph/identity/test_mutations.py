from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from graph.scalars import encoded_id
from tests.graph.identity.conftest import department_id, user_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.factories.rows import Person
    from tests.graph.identity.conftest import Graph

USER = "user { id email isActive departments { code } roles { name } }"
DEPARTMENT = "department { id code name description maxRunningJobs parent { code } manager { id } }"


def mutation(name: str, payload: str) -> str:
    given = name[0].upper() + name[1:]
    return f"mutation ($input: {given}Input!) {{ {name}(input: $input) {{ {payload} }} }}"


CREATE_USER = mutation("createUser", USER)
CREATE_DEPARTMENT = mutation("createDepartment", DEPARTMENT)
UPDATE_DEPARTMENT = mutation("updateDepartment", DEPARTMENT)
MOVE_DEPARTMENT = mutation("moveDepartment", DEPARTMENT)
OF_USER = {
    name: mutation(name, USER)
    for name in (
        "deactivateUser",
        "activateUser",
        "assignRole",
        "revokeRole",
        "assignDepartment",
        "removeDepartment",
    )
}


def newcomer(*departments: str, **values: Any) -> dict[str, Any]:
    given = {"email": f"{uuid4().hex}@example.com", "fullName": "New Comer"}
    return given | {"departments": list(departments)} | values


async def changed(
    graph: Graph, name: str, person: Person | str, by: Person | None = None, **values: Any
) -> dict[str, Any]:
    key = person if isinstance(person, str) else user_id(person)
    found = await graph.data(
        OF_USER[name], by or graph.office.manager, input={"userId": key} | values
    )
    user: dict[str, Any] = found[name]["user"]
    return user


async def test_creates_a_user_once_for_one_key(graph: Graph) -> None:
    office = graph.office
    given = newcomer(
        await office.code(office.below),
        department_id(office.place),
        roles=["viewer"],
        password="a password",
        idempotencyKey="one",
    )
    answers = [await graph.data(CREATE_USER, office.manager, input=given) for _ in range(2)]
    assert answers[0] == answers[1]
    user = answers[0]["createUser"]["user"]
    assert user["email"] == given["email"]
    assert user["isActive"]
    assert len(user["departments"]) == 2
    assert user["roles"] == [{"name": "viewer"}]
    other = given | {"fullName": "Another"}
    assert await graph.code(CREATE_USER, office.manager, input=other) == "CONFLICT"
    again = given | {"idempotencyKey": "two"}
    assert await graph.code(CREATE_USER, office.manager, input=again) == "DUPLICATE"


async def test_the_key_of_one_user_says_nothing_to_another(graph: Graph) -> None:
    office = graph.office
    stranger = await office.rows.person(office.elsewhere)
    given = newcomer(await office.code(office.place), idempotencyKey="one")
    await graph.data(CREATE_USER, office.manager, input=given)
    theirs = given | {"departments": [await office.code(office.elsewhere)], "email": "a@b.example"}
    found = await graph.data(CREATE_USER, stranger, input=theirs)
    assert found["createUser"]["user"]["email"] == "a@b.example"


async def test_names_each_field_that_breaks_a_rule(graph: Graph) -> None:
    office = graph.office
    code = await office.code(office.place)
    for change, path in (
        ({"email": "nobody"}, "email"),
        ({"fullName": " "}, "fullName"),
        ({"password": "x" * 73}, "password"),
        ({"departments": []}, "departments"),
    ):
        error = await graph.refusal(CREATE_USER, office.manager, input=newcomer(code) | change)
        assert error["extensions"]["code"] == "INVALID_INPUT"
        assert [e["path"] for e in error["extensions"]["fieldErrors"]] == [[path]]


async def test_closes_and_opens_an_account(graph: Graph) -> None:
    user = await graph.office.rows.person(graph.office.below)
    assert (await graph.data("{ viewer { scope } }", user))["viewer"]
    assert not (await changed(graph, "deactivateUser", user))["isActive"]
    assert await graph.code("{ viewer { scope } }", user) == "UNAUTHENTICATED"
    assert (await changed(graph, "activateUser", user))["isActive"]
    # Its sessions stay ended.
    assert await graph.code("{ viewer { scope } }", user) == "UNAUTHENTICATED"


async def test_changes_roles_and_memberships(graph: Graph) -> None:
    office = graph.office
    user = await office.rows.person(office.below, roles=("viewer",))
    place, below = await office.code(office.place), await office.code(office.below)
    found = await changed(graph, "assignRole", user, role="editor")
    assert found["roles"] == [{"name": "editor"}, {"name": "viewer"}]
    found = await changed(graph, "revokeRole", user, role="viewer")
    assert found["roles"] == [{"name": "editor"}]
    found = await changed(graph, "assignDepartment", user, department=place)
    assert {d["code"] for d in found["departments"]} == {place, below}
    found = await changed(graph, "removeDepartment", user, department=department_id(office.below))
    assert found["departments"] == [{"code": place}]


async def test_a_user_who_is_shared_no_more_is_null(graph: Graph) -> None:
    office = graph.office
    both = await office.rows.person(office.place, office.elsewhere)
    code = await office.code(office.place)
    assert await changed(graph, "removeDepartment", both, department=code) is None


async def test_makes_changes_and_moves_a_department(graph: Graph) -> None:
    office = graph.office
    place, below = await office.code(office.place), await office.code(office.below)
    given = {
        "code": "c" + uuid4().hex,
        "name": "North",
        "parent": below,
        "managerId": user_id(office.manager),
        "idempotencyKey": "one",
    }
    answers = [await graph.data(CREATE_DEPARTMENT, office.manager, input=given) for _ in range(2)]
    assert answers[0] == answers[1]
    made = answers[0]["createDepartment"]["department"]
    assert made == {
        "id": made["id"],
        "code": given["code"],
        "name": "North",
        "description": None,
        "maxRunningJobs": 4,
        "parent": {"code": below},
        "manager": {"id": user_id(office.manager)},
    }
    other = given | {"name": "South"}
    assert await graph.code(CREATE_DEPARTMENT, office.manager, input=other) == "CONFLICT"
    change: dict[str, Any] = {"department": made["id"], "description": "Cold.", "managerId": None}
    found = await graph.data(UPDATE_DEPARTMENT, office.manager, input=change)
    assert found["updateDepartment"]["department"] == made | {
        "description": "Cold.",
        "manager": None,
    }
    change = {"department": given["code"], "maxRunningJobs": 2}
    found = await graph.data(UPDATE_DEPARTMENT, office.manager, input=change)
    assert found["updateDepartment"]["department"] == made | {
        "description": "Cold.",
        "manager": None,
        "maxRunningJobs": 2,
    }
    move = {"department": given["code"], "parent": department_id(office.place)}
    found = await graph.data(MOVE_DEPARTMENT, office.manager, input=move)
    assert found["moveDepartment"]["department"]["parent"] == {"code": place}


async def test_only_what_may_be_empty_can_be_null(graph: Graph) -> None:
    below = await graph.office.code(graph.office.below)
    for name in ("name", "maxRunningJobs"):
        given = {"department": below, name: None}
        error = await graph.refusal(UPDATE_DEPARTMENT, graph.office.manager, input=given)
        assert [e["path"] for e in error["extensions"]["fieldErrors"]] == [[name]]


async def test_each_field_of_one_request_sees_what_the_one_before_it_changed(
    graph: Graph,
) -> None:
    office = graph.office
    user = await office.rows.person(office.below, roles=())
    query = """
      mutation ($user: ID!, $code: String!) {
        one: assignRole(input: {userId: $user, role: "viewer"}) { user { roles { name } } }
        two: assignDepartment(input: {userId: $user, department: $code}) {
          user { roles { name } departments { code } }
        }
        three: revokeRole(input: {userId: $user, role: "viewer"}) {
          user { roles { name } departments { code } }
        }
      }
    """
    place, below = await office.code(office.place), await office.code(office.below)
    found = await graph.data(query, office.manager, user=user_id(user), code=place)
    assert found["one"]["user"] == {"roles": [{"name": "viewer"}]}
    assert found["two"]["user"]["roles"] == [{"name": "viewer"}]
    for name in ("two", "three"):
        assert {d["code"] for d in found[name]["user"]["departments"]} == {place, below}
    assert found["three"]["user"]["roles"] == []


FORBIDDEN: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
    "createUser": lambda i: newcomer(i["place"]),
    "deactivateUser": lambda i: {"userId": i["user"]},
    "activateUser": lambda i: {"userId": i["user"]},
    "assignRole": lambda i: {"userId": i["user"], "role": "viewer"},
    "revokeRole": lambda i: {"userId": i["user"], "role": "editor"},
    "assignDepartment": lambda i: {"userId": i["user"], "department": i["place"]},
    "removeDepartment": lambda i: {"userId": i["user"], "department": i["below"]},
    "createDepartment": lambda i: {"code": "mine", "name": "Mine", "parent": i["place"]},
    "updateDepartment": lambda i: {"department": i["below"], "name": "Mine"},
    "moveDepartment": lambda i: {"department": i["lowest"], "parent": i["place"]},
}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_forbids_it_to_those_who_do_not_manage(graph: Graph, name: str) -> None:
    office = graph.office
    user = await office.rows.person(office.below, office.place, roles=("editor",))
    names = {
        "place": await office.code(office.place),
        "below": await office.code(office.below),
        "lowest": await office.code(await office.rows.department(office.below)),
        "user": user_id(user),
    }
    query = mutation(name, "__typename")
    for role in ("viewer", "technician", "editor"):
        person = await office.rows.person(office.place, roles=(role,))
        assert await graph.code(query, person, input=FORBIDDEN[name](names)) == "FORBIDDEN"
    assert await graph.code(query, input=FORBIDDEN[name](names)) == "UNAUTHENTICATED"


OUTSIDE: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "createUser": lambda d, _: newcomer(d),
    "deactivateUser": lambda _, u: {"userId": u},
    "activateUser": lambda _, u: {"userId": u},
    "assignRole": lambda _, u: {"userId": u, "role": "viewer"},
    "revokeRole": lambda _, u: {"userId": u, "role": "viewer"},
    "createDepartment": lambda d, _: {"code": "mine", "name": "Mine", "parent": d},
    "updateDepartment": lambda d, _: {"department": d, "name": "Mine"},
}


@pytest.mark.parametrize("name", OUTSIDE)
async def test_what_lies_outside_is_as_what_does_not_exist(graph: Graph, name: str) -> None:
    office = graph.office
    stranger = await office.rows.person(office.elsewhere)
    query, answers = mutation(name, "__typename"), []
    for department, user in (
        (department_id(office.elsewhere), user_id(stranger)),
        (department_id(uuid4()), encoded_id("User", uuid4())),
    ):
        given = OUTSIDE[name](department, user)
        error = await graph.refusal(query, office.manager, input=given)
        assert error["extensions"].pop("requestId")
        answers.append((error, list(graph.statements)))
    assert answers[0] == answers[1]
    assert answers[0][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_manager_climbs_nowhere(graph: Graph) -> None:
    office = graph.office
    me = office.manager
    mine = await office.rows.person(office.below, roles=("viewer",))
    theirs = await office.rows.person(office.elsewhere, roles=("viewer",))
    both = await office.rows.person(office.place, office.elsewhere, roles=("viewer",))
    place, below = await office.code(office.place), await office.code(office.below)
    elsewhere = await office.code(office.elsewhere)
    attempts: list[tuple[str, dict[str, Any], str]] = [
        ("assignDepartment", {"userId": user_id(me), "department": "company"}, "NOT_FOUND"),
        (
            "assignDepartment",
            {"userId": user_id(me), "department": elsewhere},
            "NOT_FOUND",
        ),
        ("assignDepartment", {"userId": user_id(mine), "department": "finance"}, "NOT_FOUND"),
        (
            "assignDepartment",
            {"userId": user_id(theirs), "department": place},
            "NOT_FOUND",
        ),
        ("assignRole", {"userId": user_id(theirs), "role": "admin"}, "NOT_FOUND"),
        ("assignRole", {"userId": user_id(both), "role": "admin"}, "FORBIDDEN"),
        ("deactivateUser", {"userId": user_id(both)}, "FORBIDDEN"),
        ("createUser", newcomer(place, "company"), "NOT_FOUND"),
        ("createUser", newcomer(place, elsewhere), "NOT_FOUND"),
        (
            "moveDepartment",
            {"department": elsewhere, "parent": place},
            "NOT_FOUND",
        ),
        (
            "moveDepartment",
            {"department": place, "parent": elsewhere},
            "NOT_FOUND",
        ),
        ("moveDepartment", {"department": place, "parent": below}, "FORBIDDEN"),
        ("moveDepartment", {"department": below, "parent": "company"}, "NOT_FOUND"),
        ("updateDepartment", {"department": "company", "maxRunningJobs": 1}, "NOT_FOUND"),
    ]
    for name, given, expected in attempts:
        code = await graph.code(mutation(name, "__typename"), me, input=given)
        assert code == expected, (name, given)
    narrowed = await graph.code(
        mutation("assignRole", "__typename"),
        me,
        department=below,
        input={"userId": user_id(me), "role": "admin"},
    )
    assert narrowed == "FORBIDDEN"
    found = await graph.data("{ viewer { scope } }", me)
    assert set(found["viewer"]["scope"]) == {
        department_id(key) for key in (office.place, office.below)
    }
