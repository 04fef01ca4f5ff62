"""Answers are graphql-core's, whatever the schema, the document, and what resolvers do."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from graphql import (
    Executor,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    parse,
    specified_rules,
    validate,
)

from graph.executor.execution import ColumnarExecutor, Tally
from graph.executor.plans import Plans
from tests.graph.executor.comparing import described, differences
from tests.graph.executor.generated import Asked, Generated

if TYPE_CHECKING:
    from graphql import DocumentNode, ExecutionResult

DISABLED = "@experimental_disableErrorPropagation "
SEEDS_IN_ONE = 20
RULES = [
    rule for rule in specified_rules if rule not in {NoUnusedFragmentsRule, NoUnusedVariablesRule}
]


async def run(kind: Any, made: Generated, node: DocumentNode, variables: Any, **more: Any) -> Any:
    executor = kind.build(made.schema, node, None, Asked(), variables, **more)
    assert not isinstance(executor, list), executor
    outcome = executor.execute_operation()
    result: ExecutionResult = await outcome if inspect.isawaitable(outcome) else outcome
    return result


async def compared(seed: int, tally: Tally, documents: int = 1) -> int:
    """Compares the answers to documents of one schema, each asked twice with the plan kept.

    Gives how many documents were compared; those that are not valid are left out.
    """
    made = Generated(seed, trouble=(0, 0.03, 0.15)[seed % 3])
    compared = 0
    for _ in range(20 * documents):
        text = made.document()
        # As long as the directive, so that places in the text stay the same with it.
        node = parse(text.replace("{", " " * len(DISABLED) + "{", 1))
        if validate(made.schema, node, RULES):
            continue
        plans = Plans()
        for variables in (made.variables(), made.variables()):
            expected = await run(Executor, made, node, variables)
            choices = (variables.get("yes", True), variables["no"])
            operation: Any = node.definitions[0]
            plan = plans.get(operation, choices)
            given = await run(ColumnarExecutor, made, node, variables, tally=tally, plan=plan)
            whole = parse(text.replace("{", DISABLED + "{", 1))
            every = await run(Executor, made, whole, variables)
            wrong = differences(expected, given, set(map(described, every.errors or ())))
            assert not wrong, f"seed {seed}\n{text}\n{variables}\n{wrong}"
        compared += 1
        if compared == documents:
            break
    return compared


async def swept() -> None:
    """Finds what graphql-core left behind while the test that ignores it still runs."""
    for _ in range(20):
        await asyncio.sleep(0)
    gc.collect()


# graphql-core leaves coroutines behind when a field beside them fails; the columns leave none.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("group", range(15))
async def test_answers_as_graphql_core_does(group: int) -> None:
    tally = Tally()
    made = 0
    for seed in range(group * SEEDS_IN_ONE, (group + 1) * SEEDS_IN_ONE):
        made += await compared(seed, tally)
    await swept()
    assert made > SEEDS_IN_ONE * 0.8
    assert tally.columns > made
    assert tally.values > 3 * tally.fallbacks


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_answers_as_graphql_core_does_tens_of_thousands_of_times() -> None:
    tally = Tally()
    made = 0
    for seed in range(1_000_000, 1_008_000):
        made += await compared(seed, tally, documents=3)
    await swept()
    assert made > 20_000
    assert tally.values > 3 * tally.fallbacks
