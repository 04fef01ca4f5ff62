"""Whether two answers are the same, as the specification lets executors differ.

It fixes no order of errors, and of those at or below a position that became null any may be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphql import ExecutionResult, GraphQLError


def differences(expected: ExecutionResult, given: ExecutionResult, all_errors: set[Any]) -> str:
    """What is wrong with an answer, "" where it is right."""
    if repr(expected.data) != repr(given.data):
        return f"data:\n  {expected.data}\n  {given.data}"
    wanted, found = _by_place(expected), _by_place(given)
    if wanted.keys() != found.keys():
        return f"errors at:\n  {sorted(map(str, wanted))}\n  {sorted(map(str, found))}"
    for place in wanted:
        if not found[place] <= all_errors:
            return f"no such errors: {found[place] - all_errors}"
    return ""


def described(error: GraphQLError) -> Any:
    """An error as a client sees it."""
    return tuple(error.path or ()), error.message, tuple(map(tuple, error.locations or ()))


def _by_place(result: ExecutionResult) -> dict[Any, set[Any]]:
    """The errors by the position that became null for them."""
    places: dict[Any, set[Any]] = {}
    for error in result.errors or ():
        path = tuple(error.path or ())
        value: Any = result.data
        depth = 0
        while value is not None and depth < len(path):
            value = value[path[depth]]
            depth += 1
        places.setdefault(path[:depth], set()).add(described(error))
    return places
