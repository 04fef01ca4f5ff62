"""Waves: resolves and completes the fields of groups of objects, column by column."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
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
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, is_iterable
from graphql.pyutils.is_awaitable import is_async_iterable, is_awaitable

from graph.executor.batch import Load, strawberry_field
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
from graph.executor.places import ChosenPlace, FieldPlace, ItemPlace, Place, Root
from graph.executor.plan import Field, How, Selection, Shape

if TYPE_CHECKING:
    from graph.executor.execution import ColumnarExecutor

SLICE_SECONDS = 0.002
"""How long an operation works before others have their turn."""

CHUNK = 500
"""How many objects are worked on before the time is looked at."""

ORDINARY = {NoneType, str, int, float, bool, dict, list, tuple}
"""Exact types of values that are neither awaitable nor an error nor Undefined."""

LISTS = {list, tuple}

SIMPLE = {int, str, bool, NoneType, type(Undefined)}
"""Exact types of variables that are the same wherever they are equal and of one type."""

KEPT_ARGUMENTS = 8
"""For how many values of its variables a field's arguments are kept."""

LONGEST_KEPT = 100
"""How many characters a variable may have whose field's arguments are kept."""


class Waves:
    """One run of the columnar executor, from one object down to all leaves below it."""

    def __init__(self, executor: ColumnarExecutor) -> None:
        self._executor = executor
        self._plan = executor.plan
        self._tally = executor.tally
        self._failed = False
        self._queue: list[Group] = []
        self._loads: list[tuple[Group, int, Load]] = []
        self._awaited: list[tuple[list[Any], Later, Field, Shape, Place]] = []
        self._finals: list[tuple[list[Any], int, Awaitable[Any], Field, Place]] = []
        self._turn_ends = time.perf_counter() + SLICE_SECONDS

    async def answer(self, selection: Selection, source: Any, path: Path | None) -> dict[str, Any]:
        """Gives the answer of one object; raises the error of a field that may not be null."""
        first = Group(selection, (source,), Root(path))
        self._queue.append(first)
        groups: list[Group] = []
        while self._queue or self._loads or self._awaited or self._finals:
            wave = self._queue
            # Groups that need not wait join the wave that they were found in.
            for group in wave:
                await self._resolve(group)
            groups += wave
            self._queue = []
            await self._wait()
        for group in reversed(groups):
            await self._fold(group)
        answer = first.answers[0]
        if type(answer) is Failure:
            raise answer.error
        return answer  # type: ignore[no-any-return]

    # --- resolving -------------------------------------------------------------------------------

    async def _resolve(self, group: Group) -> None:
        sources = group.sources
        tally = self._tally
        for number, field in enumerate(group.selection.fields):
            place = FieldPlace(group.place, field.name, field.parent.name)
            part: Completed
            match field.how:
                case How.ATTRIBUTE:
                    part = self._complete(field, field.shape, self._attributes(field, group), place)
                case How.TYPENAME:
                    part = Ready([field.parent.name] * len(sources))
                case How.BATCH:
                    column = self._batch(field, sources)
                    if isinstance(column, Load):
                        self._loads.append((group, number, column))
                        part = Later()
                    else:
                        part = self._complete(field, field.shape, column, place)
                case How.RESOLVER:
                    column = await self._each(field, sources, place)
                    part = self._complete(field, field.shape, column, place)
                case How.STEPWISE:
                    part = await self._stepwise_column(field, sources, place)
            group.parts.append((part, place))
            if len(sources) > CHUNK:
                await self._take_turns()
        tally.columns += len(group.selection.fields)
        tally.values += len(group.selection.fields) * len(sources)

    def _attributes(self, field: Field, group: Group) -> list[Any]:
        attribute = field.attribute
        assert attribute is not None  # noqa: S101 (that is what makes it an attribute)
        try:
            return list(map(attribute, group.sources))
        except Exception:  # noqa: BLE001 (some have failed: each by itself)
            return [_caught(attribute, source) for source in group.sources]

    def _batch(self, field: Field, sources: Sequence[Any]) -> Sequence[Any] | Load:
        assert field.batch is not None  # noqa: S101 (that is what makes it a batch)
        try:
            return field.batch(self._executor.context_value, sources, self._batch_arguments(field))
        except Exception as error:  # noqa: BLE001 (whatever it is, it is every object's error)
            return [error] * len(sources)

    def _batch_arguments(self, field: Field) -> dict[str, Any]:
        key = self._variables(field)
        known = None if key is None else field.arguments.get(key)
        if known is not None:
            return known
        arguments = self._arguments(field)
        own = strawberry_field(field.definition)
        if own is not None and arguments:
            arguments = self._executor.converted(own, arguments)
        if key is not None:
            if len(field.arguments) >= KEPT_ARGUMENTS:
                field.arguments.clear()
            field.arguments[key] = arguments
        return arguments

    def _variables(self, field: Field) -> tuple[Any, ...] | None:
        """The values of the variables in a field's arguments, None where they are not to be kept.

        Those that usually come again are short: the size of a page, a choice, an id.
        """
        if not field.variables:
            return ()
        given = self._executor.variable_values.coerced
        values = tuple(given.get(name, Undefined) for name in field.variables)
        kinds = tuple(map(type, values))
        if not SIMPLE.issuperset(kinds):
            return None
        if str in kinds and any(
            len(value) > LONGEST_KEPT for value in values if type(value) is str
        ):
            return None
        return values + kinds

    def _arguments(self, field: Field) -> dict[str, Any]:
        if not field.definition.args:
            return {}
        return get_argument_values(
            field.definition,
            field.node,
            self._executor.variable_values,
            None,
            self._executor.hide_suggestions,
        )

    async def _each(self, field: Field, sources: Sequence[Any], place: Place) -> list[Any]:
        try:
            arguments = self._arguments(field)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is every object's error)
            return [error] * len(sources)
        resolve = field.definition.resolve or self._executor.field_resolver
        column: list[Any] = []
        for index, source in enumerate(sources):
            try:
                column.append(resolve(source, self._info(field, place.path(index)), **arguments))
            except Exception as error:  # noqa: BLE001 (whatever it is, it is this object's error)
                column.append(error)
            if index % CHUNK == CHUNK - 1:
                await self._take_turns()
        return column

    async def _stepwise_column(
        self, field: Field, sources: Sequence[Any], place: Place
    ) -> Completed:
        values: list[Any] = []
        self._tally.fallbacks += len(sources)
        for index, source in enumerate(sources):
            path = place.path(index)
            assert path is not None  # noqa: S101 (a field's path has its name)
            try:
                value = self._executor.stepwise.execute_field(
                    field.parent, source, field.details, path, None
                )
            except Exception as error:  # noqa: BLE001 (whatever it is, it is this object's error)
                value = self._failure(error, field, place, index)
            self._finally(values, value, field, place)
            if index % CHUNK == CHUNK - 1:
                await self._take_turns()
        return Ready(values)

    def _finally(self, values: list[Any], value: Any, field: Field, place: Place) -> None:
        """Adds a completed value, or what will give one."""
        if is_awaitable(value):
            self._finals.append((values, len(values), value, field, place))
        values.append(value)

    # --- waiting ---------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Waits for all that this wave has asked for, and completes it."""
        loads, self._loads = self._loads, []
        awaited, self._awaited = self._awaited, []
        finals, self._finals = self._finals, []
        if not (loads or awaited or finals):
            return
        pending = [value for column, *_ in awaited for value in column if is_awaitable(value)]
        pending += [final[2] for final in finals]
        gathered = asyncio.gather(*pending, return_exceptions=True) if pending else None
        try:
            await self._load(loads)
            results = iter(await gathered if gathered is not None else ())
        finally:
            if gathered is not None and not gathered.done():
                gathered.cancel()
        for column, later, field, shape, place in awaited:
            settled = [_raised(next(results)) if is_awaitable(v) else v for v in column]
            later.inner = self._complete(field, shape, settled, place)
        for values, index, _, field, place in finals:
            value = _raised(next(results))
            if isinstance(value, Exception):
                value = self._failure(value, field, place, index)
            values[index] = value
        await self._take_turns()

    async def _load(self, loads: list[tuple[Group, int, Load]]) -> None:
        wanted: dict[Any, list[Any]] = {}
        for _, _, load in loads:
            keys = wanted.setdefault(load.loader, [])
            keys.extend(key for key in load.keys if key is not None)
        found: dict[Any, Any] = {}
        for loader, keys in wanted.items():
            try:
                found[loader] = await loader.values(keys) if keys else {}
            except Exception as error:  # noqa: BLE001 (whatever it is, it is every object's error)
                found[loader] = error
        for group, number, load in loads:
            field = group.selection.fields[number]
            later, place = group.parts[number]
            assert isinstance(later, Later)  # noqa: S101 (it was put there for this)
            later.inner = self._complete(field, field.shape, _loaded(load, found), place)

    async def _take_turns(self) -> None:
        if time.perf_counter() > self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = time.perf_counter() + SLICE_SECONDS

    # --- completing (specification, section 6.4.3) -----------------------------------------------

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

    # --- folding ---------------------------------------------------------------------------------

    async def _fold(self, group: Group) -> None:
        settle = self._settled if self._failed else None
        columns = group.columns(settle)
        rows = zip(*columns, strict=True) if columns else iter([()] * len(group.sources))
        while chunk := list(islice(rows, CHUNK)):
            group.fold(chunk, settle)
            if len(chunk) == CHUNK:
                await self._take_turns()

    def _settled(self, column: Sequence[Any], place: Place) -> Sequence[Any]:
        if Failure not in set(map(type, column)):
            return column
        errors = self._executor.collected_errors
        settled = list(column)
        for index, value in enumerate(column):
            if type(value) is Failure:
                errors.add(value.error, place.path(index))
                settled[index] = None
        return settled


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


def _caught(resolve: Any, source: Any) -> Any:
    try:
        return resolve(source)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this object's error)
        return error


def _loaded(load: Load, found: Mapping[Any, Any]) -> Sequence[Any]:
    values = found[load.loader]
    if isinstance(values, Exception):
        return [values] * len(load.keys)
    try:
        return load.column(values)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is every object's error)
        return [error] * len(load.keys)


def _raised(result: Any) -> Any:
    """Raises what is no error of a field but ends the operation, such as a cancellation."""
    if isinstance(result, BaseException) and not isinstance(result, Exception):
        raise result
    return result


def _dismiss(awaitable: Any) -> None:
    if inspect.iscoroutine(awaitable):
        awaitable.close()


def _field_path(path: Path | None) -> Path | None:
    """The path of the field that holds a value, which may be an item of its list."""
    while path is not None and isinstance(path.key, int):
        path = path.prev
    return path
