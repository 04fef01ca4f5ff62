"""Batch fields: their resolvers are written for a column of objects, not for one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphql import GraphQLField
from strawberry.types.field import StrawberryField

BATCH = "batch"
"""The metadata of a field, or its extension where it is graphql-core's own, that names a batch."""

COLUMNS = "columns"
"""The metadata of a batch field that names the columns of a row that it reads."""

STRAWBERRY = "strawberry-definition"
"""The extension under which Strawberry keeps its own form of a field."""


class Loader(Protocol):
    """Fetches values by key; equal wishes of one operation share one loader."""

    async def values(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        """The values of these keys, those already known and others; what is missing is null."""

    async def value(self, key: Any) -> Any:
        """The value of one key, fetched with those that others ask for at the same time."""


@dataclass(slots=True, eq=False)
class Load:
    """A column that has to be loaded: one key for each object, None where there is none."""

    loader: Loader
    keys: Sequence[Any]
    finish: Callable[[list[Any]], list[Any]] | None = None
    """Makes the column out of the loaded values, in their order."""

    def column(self, found: Mapping[Any, Any]) -> list[Any]:
        """The column, given what the loader has found."""
        values = list(map(found.get, self.keys))
        return values if self.finish is None else self.finish(values)


Batch = Callable[[Any, Sequence[Any], dict[str, Any]], "Sequence[Any] | Load"]
"""Gives the column of a field: called with the context, the objects, and the field's arguments.

It has one value for each object, in their order; an exception among them is that object's alone,
and one that is raised is every object's.
"""


def strawberry_field(field: GraphQLField) -> StrawberryField | None:
    """Strawberry's own form of a field, None where the field is not made by Strawberry."""
    found = field.extensions.get(STRAWBERRY)
    return found if isinstance(found, StrawberryField) else None


def batch_of(field: GraphQLField) -> Batch | None:
    """The batch of a field, None where its resolver is written for one object."""
    own = strawberry_field(field)
    declared: Mapping[Any, Any] = field.extensions if own is None else own.metadata
    return declared.get(BATCH)


async def for_one(batch: Batch, context: Any, source: Any, arguments: dict[str, Any]) -> Any:
    """Resolves a batch field of one object, as a column of one."""
    asked = batch(context, (source,), arguments)
    if isinstance(asked, Load):
        (key,) = asked.keys
        asked = asked.column({} if key is None else {key: await asked.loader.value(key)})
    return asked[0]
