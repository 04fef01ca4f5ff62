"""Waves: resolves and completes the fields of groups of objects, column by column."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING, Any

from graphql import Undefined
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from graphql.pyutils.is_awaitable import is_awaitable

from graph.executor.batch import Load, strawberry_field
from graph.executor.completing import Completing
from graph.executor.completion import Completed, Failure, Group, Later, Ready
from graph.executor.places import FieldPlace, Place, Root
from graph.executor.plan import Field, How, Selection

if TYPE_CHECKING:
    from graph.executor.execution import ColumnarExecutor

SLICE_SECONDS = 0.002
"""How long an operation works before others have their turn."""

CHUNK = 500
"""How many objects are worked on before the time is looked at."""

SIMPLE = {int, str, bool, NoneType, type(Undefined)}
"""Exact types of variables that are the same wherever they are equal and of one type."""

KEPT_ARGUMENTS = 8
"""For how many values of its variables a field's arguments are kept."""

LONGEST_KEPT = 100
"""How many characters a variable may have whose field's arguments are kept."""


class Waves(Completing):
    """One run of the columnar executor, from one object down to all leaves below it."""

    def __init__(self, executor: ColumnarExecutor) -> None:
        super().__init__(executor)
        self._loads: list[tuple[Group, int, Load]] = []
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
