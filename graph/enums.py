"""Enums of the graph, made from the domain's: the same values, each with its description."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import strawberry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

E = TypeVar("E", bound="StrEnum")


def described(values: type[E], description: str, meanings: Mapping[E, str]) -> type[E]:
    """Makes the graph's form of an enum of the domain.

    ``meanings`` describes every value; one that is left out is a defect and raises `KeyError`.
    """
    members = {
        value.name: strawberry.enum_value(value.value, description=meanings[value])
        for value in values
    }
    make: Any = Enum  # its functional form makes a class, which type checkers can't follow
    made = make(values.__name__, members)
    declared: type[E] = strawberry.enum(made, description=description)
    return declared


@strawberry.enum(description="Which end of an order comes first.")
class Direction(Enum):
    """Ascending or descending."""

    ASC = strawberry.enum_value("asc", description="The smallest, or the oldest, first.")
    DESC = strawberry.enum_value("desc", description="The largest, or the newest, first.")


def values(members: list[E] | None) -> list[str] | None:
    """The words that stand in the table for these values of an enum."""
    return None if members is None else [member.value for member in members]
