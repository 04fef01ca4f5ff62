"""Leaves: columns of scalars and enum values, coerced at once where their exact types are safe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import isfinite
from types import NoneType
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
)

INT_LIMIT = 2**31
"""`Int` has 32 bits (specification, section 3.5.1)."""


class Safe:
    """The result coercion of a scalar, with what it leaves as it is.

    ``kinds`` are the exact types whose values it gives back unchanged, None meaning any;
    ``fits`` tells so of a column of these types, where the type alone does not say enough.
    """

    def __init__(
        self,
        coerce: Callable[[Any], Any],
        kinds: Collection[type] | None,
        fits: Callable[[Collection[Any]], bool] | None = None,
    ) -> None:
        self._coerce = coerce
        self.kinds = None if kinds is None else frozenset(kinds)
        self.fits = fits

    def __call__(self, value: Any) -> Any:
        """Coerces one value."""
        return self._coerce(value)

    def unchanged(self, column: Collection[Any], kinds: set[type]) -> bool:
        """Tells whether all values of a column, of these exact types, stay as they are."""
        if self.kinds is not None and not kinds <= self.kinds:
            return False
        return self.fits is None or self.fits(column)


def within(low: int, high: int) -> Callable[[Collection[Any]], bool]:
    """Tells whether all numbers of a column lie between two bounds, these included."""
    return lambda column: low <= min(column) and max(column) <= high


def _finite(column: Collection[Any]) -> bool:
    return all(map(isfinite, column))


def _same(value: Any) -> Any:
    return value


unchanged = Safe(_same, None)
"""The coercion of a scalar whose values the encoder writes by itself."""

BUILT_IN: dict[Any, Safe] = {
    scalar: Safe(scalar.coerce_output_value, kinds, fits)
    for scalar, kinds, fits in (
        (GraphQLString, {str}, None),
        (GraphQLID, {str}, None),
        (GraphQLBoolean, {bool}, None),
        (GraphQLInt, {int}, within(-INT_LIMIT, INT_LIMIT - 1)),
        (GraphQLFloat, {float}, _finite),
    )
}


class Leaf:
    """How one scalar or enum coerces columns."""

    def __init__(self, leaf: GraphQLLeafType) -> None:
        self.type = leaf
        coerce = leaf.coerce_output_value
        self._safe = coerce if isinstance(coerce, Safe) else BUILT_IN.get(leaf)
        # The names of an enum's values by the value: equal text has an equal name.
        self._names: dict[str, Any] | None = {} if isinstance(leaf, GraphQLEnumType) else None

    def coerced(self, column: Sequence[Any], kinds: set[type]) -> Sequence[Any] | None:
        """The coerced column, or None where its values must be looked at one by one.

        ``kinds`` are the exact types in it; nulls stay null, and so does an empty column.
        """
        nulls = NoneType in kinds
        if nulls:
            kinds = kinds - {NoneType}
        if not kinds:
            return column
        if self._safe is not None:
            present = [value for value in column if value is not None] if nulls else column
            return column if self._safe.unchanged(present, kinds) else None
        if self._names is not None and kinds == {str}:
            return self._named(column)
        return None

    def _named(self, column: Sequence[Any]) -> list[Any] | None:
        names = self._names
        assert names is not None  # noqa: S101 (only enums come here)
        for value in set(column).difference(names):
            if value is not None:
                try:
                    names[value] = self.type.coerce_output_value(value)
                except Exception:  # noqa: BLE001 (each position then gets an error of its own)
                    return None
        return list(map(names.get, column))
