"""Schemas, documents and data out of one seed, whose resolvers do all that resolvers may do.

What a field gives depends on the seed, its object and its arguments alone, so that two executors
meet the same values, failures and nulls.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)

from graph.executor.batch import BATCH, Load, for_one
from graph.executor.leaves import unchanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

COLOUR = GraphQLEnumType("Colour", {"RED": "red", "GREEN": "green", "BLUE": "blue"})
MOMENT = GraphQLScalarType("Moment", coerce_output_value=unchanged)
SHOUT = GraphQLScalarType("Shout", coerce_output_value=lambda value: str(value).upper())
RANGE = GraphQLInputObjectType(
    "Range",
    {
        "low": GraphQLInputField(GraphQLInt, default_value=1),
        "words": GraphQLInputField(GraphQLList(GraphQLString)),
    },
)
ARGUMENTS: dict[str, tuple[Any, list[str]]] = {
    "n": (GraphQLArgument(GraphQLInt, default_value=2), ["1", "3", "null", "$int"]),
    "text": (GraphQLArgument(GraphQLString), ['"a"', "null", "$text"]),
    "range": (GraphQLArgument(RANGE), ["{low: 2}", '{words: ["x", $text]}', "{low: $int}"]),
    "must": (GraphQLArgument(GraphQLNonNull(GraphQLInt)), ["1", "$int", "$given"]),
}
VARIABLES = "($int: Int = 3, $text: String, $given: Int!, $yes: Boolean = true, $no: Boolean!)"
LEAVES: list[tuple[Any, list[Any]]] = [
    (GraphQLString, ["a", "b", "", 7, True, 1.5]),
    (GraphQLInt, [0, 1, -5, 2**31 - 1, True, 4.0]),
    (GraphQLFloat, [0.5, 2, -1.25, 1e10]),
    (GraphQLBoolean, [True, False, 1]),
    (GraphQLID, ["x", 12]),
    (COLOUR, ["red", "green", "blue"]),
    (MOMENT, [1, "noon", 2.5]),
    (SHOUT, ["quiet", 3]),
]
WRONG: list[Any] = [2**40, "word", float("nan"), {"no": "value"}, object]


@dataclass(frozen=True)
class Thing:
    """An object: its type, and the seed of all its fields."""

    kind: str
    seed: int

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"{self.kind} has no {name}")


@dataclass(eq=False)
class Things:
    """Fetches by key, and counts how often."""

    make: Any
    calls: int = 0

    async def values(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        self.calls += 1
        await asyncio.sleep(0)
        return {key: self.make(key) for key in keys}

    async def value(self, key: Any) -> Any:
        return (await self.values([key])).get(key)


@dataclass
class Asked:
    """The context of one execution: its loaders by the fields that they serve."""

    loaders: dict[str, Things] = field(default_factory=dict)


class Generated:
    """One schema with its resolvers; `document` makes documents for it."""

    def __init__(self, seed: int, *, trouble: float) -> None:
        self.random = random.Random(seed)  # noqa: S311 (repeatable, not secret)
        self.seed = seed
        self.trouble = trouble
        self.names = [f"T{number}" for number in range(self.random.randint(2, 5))]
        self.objects: dict[str, GraphQLObjectType] = {}
        named = {"tag": GraphQLField(GraphQLString), "mark": GraphQLField(GraphQLInt)}
        self.interface = GraphQLInterfaceType("Named", named, resolve_type=self._resolve_type())
        for name in self.names:
            self._add(name)
        members = self.random.sample(list(self.objects.values()), 2)
        self.union = GraphQLUnionType("Either", members, resolve_type=self._resolve_type())
        query = GraphQLObjectType("Query", lambda: self._fields("Query", 6, composite=0.8))
        self.schema = GraphQLSchema(
            query=query, types=[*self.objects.values(), self.union, self.interface]
        )

    def _add(self, name: str) -> None:
        count = self.random.randint(2, 7)
        implements = self.random.random() < 0.6
        is_type_of = None
        if self.random.random() < 0.5:
            is_type_of = self._is_type_of(name)
        fields: dict[str, GraphQLField] = {}

        def made() -> dict[str, GraphQLField]:
            if not fields:
                fields.update(self._fields(name, count, composite=0.5))
                if implements:
                    fields["tag"] = self._field(name, "tag", GraphQLString, {})
                    fields["mark"] = self._field(name, "mark", GraphQLNonNull(GraphQLInt), {})
            return fields

        self.objects[name] = GraphQLObjectType(
            name, made, [self.interface] if implements else [], is_type_of=is_type_of
        )

    def _is_type_of(self, name: str) -> Any:
        waits = self.random.random() < 0.3

        def is_it(value: Any, _info: Any) -> Any:
            right = isinstance(value, Thing) and value.kind == name
            return _soon(right) if waits else right

        return is_it

    def _resolve_type(self) -> Any:
        waits = self.random.random() < 0.3

        def resolve(value: Any, _info: Any, _type: Any) -> Any:
            kind = getattr(value, "kind", None)
            return _soon(kind) if waits else kind

        return resolve

    def _fields(self, parent: str, count: int, *, composite: float) -> dict[str, GraphQLField]:
        fields = {}
        for number in range(count):
            name = f"{parent.lower()}f{number}"
            inner = self._composite() if self.random.random() < composite else None
            inner = inner or self.random.choice(LEAVES)[0]
            arguments = {key: ARGUMENTS[key][0] for key in ARGUMENTS if self.random.random() < 0.15}
            fields[name] = self._field(parent, name, self._wrapped(inner), arguments)
        return fields

    def _composite(self) -> Any:
        choices: list[Any] = [*self.objects.values(), self.union]
        if any(type_.interfaces for type_ in self.objects.values()):
            choices.append(self.interface)
        return self.random.choice(choices)

    def _wrapped(self, inner: Any) -> Any:
        roll = self.random.random
        if roll() < 0.3:
            inner = GraphQLNonNull(inner)
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            inner = GraphQLList(inner)
            if roll() < 0.3:
                inner = GraphQLNonNull(inner)
        return inner

    def _field(self, parent: str, name: str, type_: Any, arguments: dict[str, Any]) -> GraphQLField:
        way = self.random.choice(["sync", "sync", "async", "batch", "batch", "load", "load"])

        def value(source: Any, kwargs: dict[str, Any]) -> Any:
            seed = source.seed if isinstance(source, Thing) else 0
            place = f"{self.seed}.{parent}.{name}.{seed}.{sorted(kwargs.items())}"
            dice = random.Random(crc32(place.encode()))  # noqa: S311 (as above)
            # What a loader gives stands at several places, so it can't be used up by the first.
            return self._value(type_, dice, lasting=way == "load")

        def sync(source: Any, _info: Any, **kwargs: Any) -> Any:
            return _given(value(source, kwargs))

        async def later(source: Any, _info: Any, **kwargs: Any) -> Any:
            for _ in range(crc32(name.encode()) % 3):
                await asyncio.sleep(0)
            return _given(value(source, kwargs))

        if way in {"sync", "async"}:
            resolve: Any = sync if way == "sync" else later
            return GraphQLField(type_, arguments, resolve=resolve)

        def batch(context: Asked, sources: Sequence[Any], kwargs: dict[str, Any]) -> Any:
            if way == "batch":
                return [value(source, kwargs) for source in sources]
            seeds = [source.seed if isinstance(source, Thing) else 0 for source in sources]
            loader = context.loaders.setdefault(
                f"{parent}.{name}{sorted(kwargs.items())}",
                Things(lambda key: value(Thing("", key), kwargs)),
            )
            return Load(loader, seeds)

        async def one(source: Any, info: Any, **kwargs: Any) -> Any:
            return await for_one(batch, info.context, source, kwargs)

        return GraphQLField(type_, arguments, resolve=one, extensions={BATCH: batch})

    def _value(  # noqa: PLR0911 (each kind of value is one case)
        self, type_: Any, dice: random.Random, *, lasting: bool
    ) -> Any:
        trouble = dice.random() < self.trouble
        if trouble and dice.random() < 0.4:
            return ValueError(f"trouble {dice.randint(0, 99)}")
        if is_non_null_type(type_):
            if trouble and dice.random() < 0.5:
                return None
            return self._value(type_.of_type, dice, lasting=lasting)
        if dice.random() < 0.1:
            return None
        if trouble and dice.random() < 0.5:
            return dice.choice(WRONG)
        if is_list_type(type_):
            length = dice.choice([0, 1, 2, 3])
            items = [self._value(type_.of_type, dice, lasting=lasting) for _ in range(length)]
            return tuple(items) if lasting else _collected(items, dice)
        if is_composite_type(type_):
            possible = (
                [type_]
                if isinstance(type_, GraphQLObjectType)
                else self.schema.get_possible_types(type_)
            )
            kind = dice.choice(possible).name
            return Thing(kind, dice.randint(1, 12))
        return dice.choice(next(values for leaf, values in LEAVES if leaf is type_))

    # --- documents -------------------------------------------------------------------------------

    def document(self) -> str:
        """A document; it may be invalid, where mentions of fields can't be merged."""
        self._fragments: dict[str, str] = {}
        body = self._selection(self.schema.query_type, 4)
        return " ".join([f"query {VARIABLES} {body}", *self._fragments.values()])

    def variables(self) -> dict[str, Any]:
        """Values of the variables of any document."""
        given: dict[str, Any] = {"given": self.random.randint(0, 3), "no": False}
        for name, values in (("int", [1, None]), ("text", ["t", None]), ("yes", [True, False])):
            if self.random.random() < 0.5:
                given[name] = self.random.choice(values)
        if given.get("yes", True) is None:
            del given["yes"]
        return given

    def _selection(self, type_: Any, depth: int) -> str:
        parts = []
        names = list(getattr(type_, "fields", {}))
        for _ in range(self.random.randint(1, 5)):
            roll = self.random.random()
            if roll < 0.08 or not names:
                parts.append("__typename")
            if roll > 0.85:
                parts.append(self._fragment(type_, depth))
            elif names:
                parts.append(self._mention(type_, self.random.choice(names), depth))
        return "{ " + " ".join(filter(None, parts)) + " __typename }"

    def _mention(self, type_: Any, name: str, depth: int) -> str:
        definition = type_.fields[name]
        given = [
            f"{key}: {self.random.choice(ARGUMENTS[key][1])}"
            for key in definition.args
            if key == "must" or self.random.random() < 0.6
        ]
        text = name + (f"({', '.join(given)})" if given else "")
        if self.random.random() < 0.4:
            text = f"a{crc32(text.encode()) % 1000}: {text}"
        text += self._directive()
        inner = get_named_type(definition.type)
        if is_composite_type(inner):
            if depth == 0:
                return ""
            text += " " + self._selection(inner, depth - 1)
        return text

    def _directive(self) -> str:
        if self.random.random() > 0.12:
            return ""
        return self.random.choice(
            [" @skip(if: $no)", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: true)"]
        )

    def _fragment(self, type_: Any, depth: int) -> str:
        on = type_
        if not isinstance(type_, GraphQLObjectType):
            on = self.random.choice([type_, *self.schema.get_possible_types(type_)])
        elif type_.interfaces and self.random.random() < 0.4:
            on = type_.interfaces[0]
        if depth == 0:
            return ""
        body = self._selection(on, depth - 1)
        if self.random.random() < 0.5:
            condition = f" on {on.name}" if on is not type_ or self.random.random() < 0.5 else ""
            return f"...{condition}{self._directive()} {body}"
        name = f"F{len(self._fragments)}"
        self._fragments[name] = f"fragment {name} on {on.name} {body}"
        return f"...{name}{self._directive()}"


def _collected(items: list[Any], dice: random.Random) -> Any:
    roll = dice.random()
    if roll < 0.08:
        return tuple(items)
    if roll < 0.16:
        return _one_by_one(items)
    if roll < 0.2:
        return _Stream(items)
    if roll < 0.3 and items:
        items[0] = _Awaited(items[0])
    return items


def _one_by_one(items: list[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, ValueError):
            raise item
        yield item


class _Stream:
    """Items that come one by one."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._items:
            await asyncio.sleep(0)
            yield item


class _Awaited:
    """An item that has to be awaited."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


async def _soon(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def _given(value: Any) -> Any:
    """Raises every second failure, and returns the others, which is the same to GraphQL."""
    if isinstance(value, ValueError) and crc32(str(value).encode()) % 2:
        raise value
    return value
