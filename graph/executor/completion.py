"""Completed columns, and how they are folded into objects and lists from the leaves up.

A position that failed holds a `Failure` until it stands at a type that allows null: there it
becomes null, and its error is recorded; below a type that does not, what holds it fails with it
(specification, section 6.4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from graphql import GraphQLError

from graph.executor.places import Place
from graph.executor.plan import Selection, Shape


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """What stands at a position that failed, until a null stands for it or for what holds it."""

    error: GraphQLError


Settle = Callable[[Sequence[Any], Place], Sequence[Any]]
"""Puts nulls in the place of a column's failures, recording their errors."""


class Completed(Protocol):
    """A column whose values are complete once the groups below it are folded."""

    def column(self, settle: Settle | None) -> Sequence[Any]:
        """The values; ``settle`` is None where nothing has failed in the whole operation."""


class Ready:
    """A column that is complete."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def column(self, settle: Settle | None) -> Sequence[Any]:  # noqa: ARG002 (see `Completed`)
        """The values."""
        return self.values


class Later:
    """A column some of whose values are awaited; what it completes to is set afterwards."""

    __slots__ = ("inner",)

    inner: Completed

    def column(self, settle: Settle | None) -> Sequence[Any]:
        """The values."""
        return self.inner.column(settle)


class Scattered:
    """A column of nulls and failures, with other values between them at ``indices``."""

    __slots__ = ("_indices", "_inner", "_values")

    def __init__(self, values: list[Any], indices: Sequence[int], inner: Completed) -> None:
        self._values = values
        self._indices = indices
        self._inner = inner

    def column(self, settle: Settle | None) -> Sequence[Any]:
        """The values, each at its index."""
        values = self._values
        for index, value in zip(self._indices, self._inner.column(settle), strict=True):
            values[index] = value
        return values


class Divided:
    """A column of objects of several types, each type's at its indices."""

    __slots__ = ("_length", "_parts")

    def __init__(self, length: int, parts: list[tuple[Sequence[int], Completed]]) -> None:
        self._length = length
        self._parts = parts

    def column(self, settle: Settle | None) -> Sequence[Any]:
        """The values, each at its index."""
        values: list[Any] = [None] * self._length
        for indices, part in self._parts:
            for index, value in zip(indices, part.column(settle), strict=True):
                values[index] = value
        return values


class Folded:
    """A column of lists, whose items are one column."""

    __slots__ = ("_inner", "_item", "_lengths", "_place")

    def __init__(self, item: Shape, lengths: Sequence[int], place: Place, inner: Completed) -> None:
        self._item = item
        self._lengths = lengths
        self._place = place
        self._inner = inner

    def column(self, settle: Settle | None) -> Sequence[Any]:
        """The lists; one that holds a failed item which may not be null has failed itself."""
        items = self._inner.column(settle)
        if settle is not None and self._item.nullable:
            items = settle(items, self._place)
        rest = iter(items)
        lists: list[Any] = [list(islice(rest, length)) for length in self._lengths]
        if settle is not None and not self._item.nullable:
            return [_first_failure(items) or items for items in lists]
        return lists


class Group:
    """The objects of one type that stand at one place of the document, and their fields' columns.

    It is a completed column, too: of its objects' answers, once it is folded.
    """

    __slots__ = ("answers", "parts", "place", "selection", "sources")

    def __init__(self, selection: Selection, sources: Sequence[Any], place: Place) -> None:
        self.selection = selection
        self.sources = sources
        self.place = place
        self.parts: list[tuple[Completed, Place]] = []
        self.answers: list[Any] = []

    def column(self, settle: Settle | None) -> Sequence[Any]:  # noqa: ARG002 (see `Completed`)
        """The answers."""
        return self.answers

    def columns(self, settle: Settle | None) -> list[Sequence[Any]]:
        """The completed columns of its fields."""
        if settle is None:
            return [part.column(None) for part, _ in self.parts]
        return [
            settle(part.column(settle), place) if field.shape.nullable else part.column(settle)
            for field, (part, place) in zip(self.selection.fields, self.parts, strict=True)
        ]

    def fold(self, rows: Sequence[tuple[Any, ...]], settle: Settle | None) -> None:
        """Adds the answers of the next objects, given their completed fields."""
        names = self.selection.names
        if settle is None:
            self.answers += [dict(zip(names, row, strict=True)) for row in rows]
        else:
            self.answers += [
                _first_failure(row) or dict(zip(names, row, strict=True)) for row in rows
            ]


def _first_failure(values: Sequence[Any]) -> Failure | None:
    return next((value for value in values if type(value) is Failure), None)
