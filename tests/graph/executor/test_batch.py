"""Batch fields are asked once for a column, and loaders once for a wave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    Executor,
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    parse,
)

from graph.executor.batch import BATCH, Load, for_one
from graph.executor.execution import ColumnarExecutor
from graph.executor.plans import Plans
from tests.graph.executor.asking import executed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Squares:
    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    async def values(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        self.asked.append(sorted(set(keys)))
        if 13 in keys:
            message = "unlucky"
            raise ValueError(message)
        return {key: key * key for key in keys if key != 3}

    async def value(self, key: Any) -> Any:
        return (await self.values([key])).get(key)


def field(type_: Any, batch: Any, **arguments: Any) -> GraphQLField:
    async def one(source: Any, info: Any, **kwargs: Any) -> Any:
        return await for_one(batch, info.context, source, kwargs)

    return GraphQLField(type_, arguments, resolve=one, extensions={BATCH: batch})


def square(context: Squares, sources: Sequence[Any], _arguments: Any) -> Load:
    return Load(context, [source["n"] for source in sources])


def plus(_context: Any, sources: Sequence[Any], arguments: dict[str, Any]) -> list[Any]:
    return [source["n"] + arguments["add"] for source in sources]


def numbers(_context: Any, sources: Sequence[Any], arguments: dict[str, Any]) -> list[Any]:
    return [[{"n": n} for n in arguments["of"]]] * len(sources)


NUMBER = GraphQLObjectType(
    "Number",
    {
        "n": GraphQLField(GraphQLInt),
        "square": field(GraphQLInt, square),
        "must": field(GraphQLNonNull(GraphQLInt), square),
        "plus": field(GraphQLInt, plus, add=GraphQLArgument(GraphQLInt, default_value=1)),
    },
)
SCHEMA = GraphQLSchema(
    GraphQLObjectType(
        "Query",
        {
            "numbers": field(
                GraphQLList(NUMBER), numbers, of=GraphQLArgument(GraphQLList(GraphQLInt))
            )
        },
    )
)


async def test_a_loader_is_asked_once_for_all_keys_of_a_wave() -> None:
    squares = Squares()
    text = (
        "{ a: numbers(of: [1, 2, 2]) { square } b: numbers(of: [2, 4]) { square other: square } }"
    )
    result, tally = await executed(SCHEMA, text, context_value=squares)
    assert result.data == {
        "a": [{"square": 1}, {"square": 4}, {"square": 4}],
        "b": [{"square": 4, "other": 4}, {"square": 16, "other": 16}],
    }
    assert squares.asked == [[1, 2, 4]]
    assert tally.fallbacks == 0


async def test_a_loader_that_fails_fails_each_field_that_asked_for_it() -> None:
    text = "{ numbers(of: [1, 13]) { n square } }"
    result, _ = await executed(SCHEMA, text, context_value=Squares())
    assert result.data == {"numbers": [{"n": 1, "square": None}, {"n": 13, "square": None}]}
    assert [error.path for error in result.errors or ()] == [
        ["numbers", 0, "square"],
        ["numbers", 1, "square"],
    ]


async def test_a_key_without_a_value_is_null_and_fails_what_may_not_be() -> None:
    text = "{ numbers(of: [1, 3]) { must } }"
    result, _ = await executed(SCHEMA, text, context_value=Squares())
    assert result.data == {"numbers": [{"must": 1}, None]}
    [error] = result.errors
    assert error.message == "Cannot return null for non-nullable field Number.must."


async def test_a_resolver_of_one_object_gives_what_the_column_gives() -> None:
    text = "{ numbers(of: [1, 3]) { square plus(add: 2) } }"
    by_columns, _ = await executed(SCHEMA, text, context_value=Squares())
    one_by_one, _ = await executed(SCHEMA, text, kind=Executor, context_value=Squares())
    assert by_columns.data == one_by_one.data
    assert by_columns.data == {"numbers": [{"square": 1, "plus": 3}, {"square": None, "plus": 5}]}


async def test_a_kept_plan_takes_the_arguments_of_each_operation() -> None:
    plans = Plans()
    node = parse("query ($add: Int, $of: [Int]) { numbers(of: $of) { plus(add: $add) } }")
    operation: Any = node.definitions[0]
    for variables, expected in (
        ({"add": 1, "of": [1]}, [2]),
        ({"add": 5, "of": [1, 2]}, [6, 7]),
        ({"of": [1]}, [2]),
        ({"add": 1, "of": [9]}, [10]),
        ({"add": 5, "of": [3]}, [8]),
    ):
        plan = plans.get(operation, ())
        executor: Any = ColumnarExecutor.build(SCHEMA, node, None, None, variables, plan=plan)
        result = await executor.execute_operation()
        assert result.data == {"numbers": [{"plus": value} for value in expected]}
    assert len(plans) == 1


def test_plans_are_bounded_by_their_fields_and_the_least_used_goes_first() -> None:
    plans = Plans(fields=10)
    operations: list[Any] = [parse("{ numbers { n } }").definitions[0] for _ in range(4)]
    made = [plans.get(operation, ()) for operation in operations[:3]]
    for plan in made:
        plan.fields = 4
    assert plans.get(operations[0], ()) is made[0]
    plans.get(operations[3], ())
    assert plans.get(operations[0], ()) is made[0]
    assert plans.get(operations[2], ()) is made[2]
    assert plans.get(operations[1], ()) is not made[1]
