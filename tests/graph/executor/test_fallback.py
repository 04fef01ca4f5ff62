"""What a plan does not know is graphql-core's, for that field alone, and is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import strawberry
from graphql import (
    DirectiveLocation,
    GraphQLDirective,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    specified_directives,
)
from graphql.type import GraphQLDeferDirective, GraphQLStreamDirective
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from tests.graph.executor.asking import executed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def numbers() -> AsyncIterator[dict[str, int]]:
    for number in range(3):
        yield {"number": number}


ITEM = GraphQLObjectType(
    "Item", {"number": GraphQLField(GraphQLInt), "name": GraphQLField(GraphQLString)}
)
QUERY = GraphQLObjectType(
    "Query",
    {
        "items": GraphQLField(GraphQLList(ITEM), resolve=lambda *_: [{"number": 1}, {"number": 2}]),
        "stream": GraphQLField(GraphQLList(ITEM), resolve=lambda *_: numbers()),
    },
)
SHOUTED = GraphQLDirective("shouted", [DirectiveLocation.FIELD])
SCHEMA = GraphQLSchema(
    QUERY,
    directives=[*specified_directives, SHOUTED, GraphQLDeferDirective, GraphQLStreamDirective],
)
ITEMS = {"items": [{"number": 1}, {"number": 2}]}


async def test_columns_take_a_plain_list_without_fallback() -> None:
    result, tally = await executed(SCHEMA, "{ items { number } }")
    assert (result.data, result.errors) == (ITEMS, None)
    assert (tally.columns, tally.values, tally.fallbacks) == (2, 3, 0)


@pytest.mark.parametrize(
    "text",
    [
        "{ ... @defer { items { number } } }",
        "{ items @stream(initialCount: 1) { number } }",
        "{ items { ...F } } fragment F on Item { ... @defer { number } }",
    ],
)
async def test_an_answer_in_parts_is_graphql_cores(text: str) -> None:
    parts, tally = await executed(SCHEMA, text)
    theirs, _ = await executed(SCHEMA, text, kind=StrawberryGraphQLCoreExecutionContext)
    assert parts.initial_result == theirs.initial_result
    ours = [part async for part in parts.subsequent_results]
    assert ours == [part async for part in theirs.subsequent_results]
    assert tally.columns == 0
    assert tally.fallbacks > 0


async def test_a_custom_directive_leaves_its_list_to_graphql_core() -> None:
    result, tally = await executed(SCHEMA, "{ items @shouted { number } }")
    assert (result.data, result.errors) == (ITEMS, None)
    # The list is one field of one object; nothing below it was executed by columns.
    assert (tally.columns, tally.fallbacks) == (1, 1)


async def test_an_async_iterable_is_left_to_graphql_core_and_its_siblings_are_not() -> None:
    result, tally = await executed(SCHEMA, "{ stream { number } items { number } }")
    assert result.data == {"stream": [{"number": n} for n in range(3)], **ITEMS}
    assert (tally.columns, tally.fallbacks) == (3, 1)


async def test_middleware_leaves_the_whole_operation_to_graphql_core() -> None:
    seen: list[str] = []

    def noted(resolve: Any, source: Any, info: Any, **arguments: Any) -> Any:
        seen.append(info.field_name)
        return resolve(source, info, **arguments)

    result, tally = await executed(SCHEMA, "{ items { number } }", middleware=[noted])
    assert result.data == ITEMS
    assert seen == ["items", "number", "number"]
    assert (tally.columns, tally.fallbacks) == (0, 1)


async def test_disabled_error_propagation_leaves_the_operation_to_graphql_core() -> None:
    text = "query @experimental_disableErrorPropagation { items { number } }"
    result, tally = await executed(SCHEMA, text)
    assert result.data == ITEMS
    assert (tally.columns, tally.fallbacks) == (0, 1)


async def test_introspection_is_graphql_cores() -> None:
    result, tally = await executed(SCHEMA, '{ __type(name: "Item") { fields { name } } }')
    assert result.data == {"__type": {"fields": [{"name": "number"}, {"name": "name"}]}}
    assert (tally.columns, tally.fallbacks) == (1, 1)


class Doubled(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs) * 2


class Never(BasePermission):
    message = "never"

    def has_permission(self, *_: Any, **__: Any) -> bool:
        return False


@strawberry.type
class Thing:
    plain: int = 1

    @strawberry.field(extensions=[Doubled()])
    def doubled(self) -> int:
        return 4

    @strawberry.field(permission_classes=[Never])
    def secret(self) -> int | None:
        return 5


@strawberry.type
class Query:
    @strawberry.field
    def things(self) -> list[Thing]:
        return [Thing(), Thing(plain=2)]


async def test_field_extensions_and_permissions_run_for_each_object() -> None:
    schema = strawberry.Schema(Query)._schema
    result, tally = await executed(schema, "{ things { plain doubled secret } }")
    assert result.data == {
        "things": [
            {"plain": 1, "doubled": 8, "secret": None},
            {"plain": 2, "doubled": 8, "secret": None},
        ]
    }
    assert [(error.message, error.path) for error in result.errors or ()] == [
        ("never", ["things", 0, "secret"]),
        ("never", ["things", 1, "secret"]),
    ]
    assert tally.fallbacks == 4
