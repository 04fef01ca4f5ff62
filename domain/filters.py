"""The filters of lists: comparisons whose values travel beside a statement's text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, ColumnElement, DateTime, Text, bindparam, func, literal_column, true

from domain.errors import InvalidInput

if TYPE_CHECKING:
    from domain.models import Base
    from domain.paging import Order

LEADING_VALUES = 16
"""Up to so many values of an ``IN`` have their newest rows merged, as departments have."""

_WORD = re.compile(r"[a-z_]+")


class Operator(StrEnum):
    """How a column is compared in a filter."""

    IN = "in"
    FROM = "from"
    BEFORE = "before"
    CONTAINS = "contains"
    IS = "is"
    GIVEN = "given"


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a filter; its value travels beside the statement's text."""

    column: str
    operator: Operator
    value: Any = field(compare=False)
    words: tuple[str, ...] = ()
    """The value of an ``IN`` that stands in the text itself."""
    leads: bool = False
    """Whether an ``IN`` takes the rows of each value apart, from an index that is led by it."""

    @property
    def parameter(self) -> str:
        """The name of the statement's parameter that takes the value."""
        return f"{self.column}_{self.operator}"

    def weighed(self, model: type[Base]) -> Condition:
        """The same, its words in the text if ``model`` says that they are few and unlike common."""
        if self.operator is not Operator.IN or self.column not in model.weighed:
            return self
        words = tuple(sorted({str(word) for word in self.value}))
        return replace(self, words=words) if all(map(_WORD.fullmatch, words)) else self

    @property
    def argument(self) -> Any:
        """The value as the statement wants it."""
        try:
            value = storable(self.value)
        except ValueError:
            message = "The filter holds a text or a moment that nothing can be compared with."
            raise InvalidInput.at("filter", message) from None
        if self.operator is Operator.CONTAINS:
            escaped = str(value).replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
            return f"%{escaped}%"
        return value


def weighed(model: type[Base], conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """A filter with those words in the text that the planner should weigh."""
    return tuple(condition.weighed(model) for condition in conditions)


def led(
    model: type[Base], order: Order, conditions: tuple[Condition, ...]
) -> tuple[Condition, ...]:
    """A filter whose first comparison leads an index that has this order, where there is one."""
    for column_name, orders in model.led.items():
        for place, condition in enumerate(conditions):
            if (
                condition.column == column_name
                and condition.operator is Operator.IN
                and order.column in orders
                and len(condition.value) <= LEADING_VALUES
            ):
                leader = replace(condition, words=(), leads=True)
                return (leader, *conditions[:place], *conditions[place + 1 :])
    return conditions


def given(model: type[Base], order: Order) -> tuple[Condition, ...]:
    """What keeps rows without a value out of a list that is ordered by it."""
    if model.__table__.c[order.column].nullable:
        return (Condition(order.column, Operator.GIVEN, value=True),)
    return ()


def filtered(model: type[Base], conditions: tuple[Condition, ...]) -> list[ColumnElement[bool]]:
    """The comparisons of a filter."""
    wanted: list[ColumnElement[bool]] = []
    for condition in conditions:
        field_ = model.__table__.c[condition.column]
        name = condition.parameter
        match condition.operator:
            case Operator.IN if condition.leads:
                # Said twice over, because the planner knows nothing of the value: it would take one
                # that is nowhere to be as frequent as others, and look for it all through another
                # index. A range it takes to be narrow.
                value: ColumnElement[Any] = literal_column("v.value")
                wanted += [field_ == value, field_.between(value, value)]
            case Operator.IN if condition.words:
                words: list[ColumnElement[Any]] = [
                    literal_column(f"'{word}'") for word in condition.words
                ]
                wanted.append(field_.in_(words))
            case Operator.IN:
                wanted.append(field_ == func.any(bindparam(name, type_=ARRAY(field_.type))))
            case Operator.FROM:
                wanted.append(field_ >= bindparam(name, type_=DateTime(timezone=True)))
            case Operator.BEFORE:
                wanted.append(field_ < bindparam(name, type_=DateTime(timezone=True)))
            case Operator.CONTAINS:
                wanted.append(field_.ilike(bindparam(name, type_=Text()), escape="\\"))
            case Operator.IS:
                wanted.append(field_ == bindparam(name, type_=field_.type))
            case Operator.GIVEN:
                wanted.append(field_.is_not(None))
    return wanted or [true()]


def storable(value: Any) -> Any:
    """Gives a value as the database can take it. Raises `ValueError` for what it never could."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(value)
        value.encode()  # refuses half a surrogate pair, which JSON can write
    elif isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(value)
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise ValueError(value) from None
    elif isinstance(value, list):
        return [storable(each) for each in value]
    return value
