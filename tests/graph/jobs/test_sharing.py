"""Nothing that a subscription can reach depends on who follows, only on scope and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from domain.database import Hold
from domain.errors import Unauthenticated
from domain.identity.models import Session
from domain.jobs.reads import Topic
from domain.permissions import Permission
from domain.reads import Reads
from domain.scope import Scope
from graph.jobs.stream import JobLog
from graph.scalars import encoded_id
from graph.schema import schema
from tests.graph.jobs.following import left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.graph.jobs.conftest import Place
    from tests.graph.jobs.following import Process

SCHEMA = schema()._schema
REQUIRED = {"kind": "RAW"}
ROOTS = ("jobEvents", "jobStatusChanged")


def arguments(found: GraphQLField) -> str:
    given = [
        f"{name}: {REQUIRED[name]}"
        for name, argument in found.args.items()
        if is_required_argument(argument)
    ]
    return f"({', '.join(given)})" if given else ""


def asked(name: str, found: GraphQLField) -> str:
    leaf = is_leaf_type(get_named_type(found.type))
    return name + arguments(found) + ("" if leaf else " { __typename }")


def reachable(root: str) -> dict[str, tuple[str, ...]]:
    """Each type that a subscription reaches, with the fields on the shortest way to it."""
    assert SCHEMA.subscription_type
    first = get_named_type(SCHEMA.subscription_type.fields[root].type)
    ways: dict[str, tuple[str, ...]] = {first.name: ()}
    waiting: list[GraphQLNamedType] = [first]
    while waiting:
        kind = waiting.pop(0)
        if not isinstance(kind, GraphQLObjectType):
            continue
        for name, found in kind.fields.items():
            below = get_named_type(found.type)
            if not is_leaf_type(below) and below.name not in ways:
                ways[below.name] = (*ways[kind.name], name + arguments(found))
                waiting.append(below)
    return ways


def documents(root: str) -> Iterator[tuple[str, str]]:
    """A document for each type, which asks for all its fields."""
    for name, way in reachable(root).items():
        kind = SCHEMA.type_map[name]
        assert isinstance(kind, GraphQLObjectType), name
        fields = " ".join(asked(*each) for each in kind.fields.items())
        inner = " { ".join((*way, fields)) + " }" * len(way)
        yield name, f"subscription ($job: ID!) {{ {root}(jobId: $job) {{ {inner} }} }}"


WALK = [(root, name, query) for root in ROOTS for name, query in documents(root)]


def test_reaches_most_of_what_there_is() -> None:
    names = {name for _, name, _ in WALK}
    assert {"JobEvent", "Job", "Dataset", "Department", "User", "Result", "JobAttempt"} <= names
    assert "Viewer" not in names


async def test_every_field_is_executed_for_nobody_in_particular(
    process: Process, place: Place
) -> None:
    """Where a field needs to know who asks, this fails: a shared execution has no account."""
    dataset = await place.rows.dataset(place.department_id, place.person.id)
    job = await place.rows.job(place.department_id, place.person.id, dataset)
    await place.rows.attempt(job)
    await place.rows.result(job)
    await place.rows.upload(dataset)
    colleague = await place.rows.person(place.department_id)
    for root, name, query in WALK:
        variables = {"job": encoded_id("Job", job.id)}
        both = [process.follow(each, query, variables) for each in (place.person, colleague)]
        async with left(*both):
            await process.attached(2)
            assert len(process.gateway.feeds) == 1, (root, name)
            assert both[0].events == both[1].events != [], (root, name)


async def test_what_is_ones_own_is_not_among_what_is_shared(process: Process, place: Place) -> None:
    permissions = frozenset(Permission) - {Permission.USER_READ}
    scope = Scope(frozenset({place.department_id}), frozenset(map(str, permissions)))
    context = JobLog(process.parts, Topic("scope"), scope, only_statuses=False).context()
    with pytest.raises(Unauthenticated):
        _ = context.signed_in
    shared = Reads(process.parts.database, scope, Hold())
    own = Reads(process.parts.database, place.person.identity(), Hold())
    try:
        key = place.person.session_id
        assert set(await own.by_keys(Session, [key])) == {key}
        assert await shared.by_keys(Session, [key]) == {}
    finally:
        await context.close()
        await shared.close()
        await own.close()


async def test_members_are_seen_by_permission_alone(process: Process, place: Place) -> None:
    """A query shows even who may read no users its own row; what is shared shows none."""
    technician = await place.rows.person(place.department_id, roles=("viewer",))
    query = """subscription ($job: ID!) { jobEvents(jobId: $job) {
        kind job { department { members { nodes { id } } } } } }"""
    seen = []
    for person in (place.person, technician):
        follower = process.follow(person, query, {"job": encoded_id("Job", place.job.id)})
        async with left(follower):
            await process.attached(1)
        members = follower.events[0]["job"]["department"]["members"]["nodes"]
        seen.append({member["id"] for member in members})
    everybody = {encoded_id("User", each.id) for each in (place.person, technician)}
    may_read = await place.rows.connection.fetchval(
        "select exists (select from role_permissions p join roles r on r.id = p.role_id "
        "where r.name = 'viewer' and p.permission = 'user:read')"
    )
    assert seen == [everybody, everybody if may_read else set()]
