"""Completes the values of fields, column by column (specification, section 6.4.3)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from itertools import chain
from types import NoneType
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    Undefined,
    located_error,
)
from graphql.execution.executor import invalid_return_type_error
from graphql.pyutils import Path, is_iterable
from graphql.pyutils.is_awaitable import is_async_iterable, is_awaitable

from graph.executor.completion import (
    Completed,
    Divided,
    Failure,
    Folded,
    Group,
    Later,
    Ready,
    Scattered,
)
from graph.executor.places import ChosenPlace, ItemPlace, Place
from graph.executor.plan import Field, Shape

if TYPE_CHECKING:
    from graph.executor.execution import ColumnarExecutor

ORDINARY = {NoneType, str, int, float, bool, dict, list, tuple}
"""Exact types of values that are neither awaitable nor an error nor Undefined."""

LISTS = {list, tuple}


class Completing:
    """What completing columns finds on its way: groups of objects, and what must be awaited."""

    def __init__(self, executor: ColumnarExecutor) -> None:
        self._executor = executor
        self._plan = executor.plan
        self._tally = executor.tally
        self._failed = False
        self._queue: list[Group] = []
        self._awaited: list[tuple[list[Any], Later, Field, Shape, Place]] = []
        self._finals: list[tuple[list[Any], int, Awaitable[Any], Field, Place]] = []

    def _complete(
        self, field: Field, shape: Shape, column: Sequence[Any], place: Place
    ) -> Completed:
        if not column:
            return Ready(column)
        kinds = set(map(type, column))
        unusual = kinds - ORDINARY
        if unusual and any(map(_unusual, unusual)):
            return self._sorted_out(field, shape, column, place)
        if NoneType not in kinds:
            return self._present(field, shape, column, kinds, place)
        if shape.nullable and shape.leaf is not None:
            coerced = shape.leaf.coerced(column, kinds)
            if coerced is not None:
                return Ready(coerced)
        return self._sorted_out(field, shape, column, place)

    def _sorted_out(
        self, field: Field, shape: Shape, column: Sequence[Any], place: Place
    ) -> Completed:
        """Completes a column with nulls, errors, or awaitables in it."""
        values: list[Any] = [None] * len(column)
        chosen: list[int] = []
        for index, value in enumerate(column):
            if value is None or value is Undefined:
                if not shape.nullable:
                    where = f"{field.parent}.{field.node.name.value}"
                    error = TypeError(f"Cannot return null for non-nullable field {where}.")
                    values[index] = self._failure(error, field, place, index)
            elif isinstance(value, Exception):
                values[index] = self._failure(value, field, place, index)
            elif is_awaitable(value):
                later = Later()
                self._awaited.append((list(column), later, field, shape, place))
                return later
            else:
                chosen.append(index)
        if not chosen:
            return Ready(values)
        present = [column[index] for index in chosen]
        inner = self._present(
            field, shape, present, set(map(type, present)), ChosenPlace(place, chosen)
        )
        return Scattered(values, chosen, inner)

    def _present(
        self, field: Field, shape: Shape, column: Sequence[Any], kinds: set[type], place: Place
    ) -> Completed:
        """Completes a column without nulls, errors, and awaitables."""
        if shape.leaf is not None:
            coerced = shape.leaf.coerced(column, kinds)
            if coerced is not None:
                return Ready(coerced)
            return self._coerced_each(field, shape, column, place)
        if shape.item is not None:
            if kinds <= LISTS:
                return self._lists(field, shape.item, column, place)
            return self._iterables(field, shape, column, place)
        return self._objects(field, shape, column, kinds, place)

    def _coerced_each(
        self, field: Field, shape: Shape, column: Sequence[Any], place: Place
    ) -> Completed:
        assert shape.leaf is not None  # noqa: S101 (only leaves come here)
        values: list[Any] = []
        for index, value in enumerate(column):
            try:
                values.append(self._executor.complete_leaf_value(shape.leaf.type, value))
            except Exception as error:  # noqa: BLE001 (whatever it is, it is this value's error)
                values.append(self._failure(error, field, place, index))
        return Ready(values)

    def _lists(self, field: Field, item: Shape, column: Sequence[Any], place: Place) -> Completed:
        lengths = list(map(len, column))
        items = column[0] if len(column) == 1 else list(chain.from_iterable(column))
        items_place = ItemPlace(place, lengths)
        return Folded(item, lengths, items_place, self._complete(field, item, items, items_place))

    def _iterables(
        self, field: Field, shape: Shape, column: Sequence[Any], place: Place
    ) -> Completed:
        assert shape.item is not None  # noqa: S101 (only lists come here)
        values: list[Any] = []
        lists: list[Any] = []
        chosen: list[int] = []
        for index, value in enumerate(column):
            try:
                if is_async_iterable(value):
                    self._handed_on(values, field, shape, value, place)
                    continue
                if not is_iterable(value):
                    where = f"{field.parent}.{field.node.name.value}"
                    message = f"Expected Iterable, but did not find one for field '{where}'."
                    raise GraphQLError(message)  # noqa: TRY301 (as a failing iterable's error)
                lists.append(list(value))
                chosen.append(index)
                values.append(None)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is this value's error)
                values.append(self._failure(error, field, place, index))
        inner = self._lists(field, shape.item, lists, ChosenPlace(place, chosen))
        return Scattered(values, chosen, inner)

    def _handed_on(
        self, values: list[Any], field: Field, shape: Shape, value: Any, place: Place
    ) -> None:
        """Leaves the completion of one value to graphql-core."""
        self._tally.fallbacks += 1
        path = place.path(len(values))
        assert path is not None  # noqa: S101 (a field's value has a path)
        completed = self._executor.stepwise.complete_value(
            shape.inner, field.details, self._info(field, _field_path(path)), path, value, None
        )
        self._finally(values, completed, field, place)

    def _objects(
        self, field: Field, shape: Shape, column: Sequence[Any], kinds: set[type], place: Place
    ) -> Completed:
        if shape.object is not None and _is_surely(shape.object, kinds):
            return self._group(field, shape.object, column, place)
        if shape.abstract is not None and len(kinds) == 1:
            type_ = self._surely(shape.abstract, next(iter(kinds)))
            if type_ is not None:
                return self._group(field, type_, column, place)
        values: list[Any] = []
        types: dict[GraphQLObjectType, list[int]] = {}
        for index, value in enumerate(column):
            try:
                type_ = self._type_of(field, shape, value, place, index)
                if type_ is None:
                    self._handed_on(values, field, shape, value, place)
                    continue
                types.setdefault(type_, []).append(index)
                values.append(None)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is this value's error)
                values.append(self._failure(error, field, place, index))
        parts: list[tuple[Sequence[int], Completed]] = [
            (
                indices,
                self._group(
                    field, type_, [column[i] for i in indices], ChosenPlace(place, indices)
                ),
            )
            for type_, indices in types.items()
        ]
        chosen = [index for indices in types.values() for index in indices]
        rest = [index for index in range(len(column)) if index not in set(chosen)]
        if rest:
            # The values are looked up when all have come: some of these may be awaited.
            parts.append((rest, _Chosen(values, rest)))
        return Divided(len(column), parts)

    def _surely(self, abstract: GraphQLAbstractType, kind: type) -> GraphQLObjectType | None:
        """The object type of all values of a class, where the class says it."""
        for type_ in self._executor.schema.get_possible_types(abstract):
            by_kind = getattr(type_.is_type_of, "by_kind", None)
            if by_kind is not None and by_kind(kind):
                return type_
        return None

    def _type_of(
        self, field: Field, shape: Shape, value: Any, place: Place, index: int
    ) -> GraphQLObjectType | None:
        """The object type of a value, None where that has to be awaited."""
        executor = self._executor
        info = self._info(field, _field_path(place.path(index)))
        type_ = shape.object
        if shape.abstract is not None:
            resolve_type = shape.abstract.resolve_type or executor.type_resolver
            name = resolve_type(value, info, shape.abstract)
            if is_awaitable(name):
                _dismiss(name)
                return None
            type_ = executor.ensure_valid_runtime_type(
                name, shape.abstract, field.details, info, value
            )
        assert type_ is not None  # noqa: S101 (it is one of the two)
        if type_.is_type_of is not None:
            is_one = type_.is_type_of(value, info)
            if is_awaitable(is_one):
                _dismiss(is_one)
                return None
            if not is_one:
                raise invalid_return_type_error(type_, value, field.details)
        return type_

    def _group(
        self, field: Field, type_: GraphQLObjectType, sources: Sequence[Any], place: Place
    ) -> Completed:
        group = Group(self._plan.selection(self._executor, field, type_), sources, place)
        self._queue.append(group)
        return group

    def _info(self, field: Field, path: Path | None) -> GraphQLResolveInfo[Any]:
        assert path is not None  # noqa: S101 (a field's path has its name)
        return self._executor.build_resolve_info(field.definition, field.nodes, field.parent, path)

    def _failure(self, error: Exception, field: Field, place: Place, index: int) -> Failure:
        self._failed = True
        path = place.path(index)
        assert path is not None  # noqa: S101 (a field's value has a path)
        return Failure(located_error(error, field.nodes, path.as_list()))

    def _finally(self, values: list[Any], value: Any, field: Field, place: Place) -> None:
        """Adds a completed value, or what will give one."""
        if is_awaitable(value):
            self._finals.append((values, len(values), value, field, place))
        values.append(value)


class _Chosen:
    """Values of a column that may be awaited still, by their indices."""

    def __init__(self, values: list[Any], indices: Sequence[int]) -> None:
        self._values = values
        self._indices = indices

    def column(self, settle: Any) -> Sequence[Any]:  # noqa: ARG002 (see `Completed`)
        """The values."""
        return [self._values[index] for index in self._indices]


@lru_cache(maxsize=1000)
def _unusual(kind: type) -> bool:
    return issubclass(kind, Exception) or kind is type(Undefined) or hasattr(kind, "__await__")


def _is_surely(type_: GraphQLObjectType, kinds: set[type]) -> bool:
    """Tells whether all values of these kinds are of a type, without asking for each."""
    is_type_of = type_.is_type_of
    if is_type_of is None:
        return True
    by_kind = getattr(is_type_of, "by_kind", None)
    return by_kind is not None and all(map(by_kind, kinds))


def _dismiss(awaitable: Any) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()


def _field_path(path: Path | None) -> Path | None:
    """The path of the field that holds a value, which may be an item of its list."""
    while path is not None and isinstance(path.key, int):
        path = path.prev
    return path
