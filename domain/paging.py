"""Pages of lists: order, cursor, filter, and the statements that fetch a page by key."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    select,
    true,
    tuple_,
)

from domain import scope
from domain.errors import InvalidInput
from domain.filters import Condition, filtered, led, storable, weighed
from domain.scope import ScopeKind
from domain.statements import columns, kept

if TYPE_CHECKING:
    from sqlalchemy import FromClause, Subquery
    from sqlalchemy.sql.selectable import LateralFromClause
    from sqlalchemy.types import TypeEngine

    from domain.database import Row
    from domain.models import Base

MERGED_DEPARTMENTS = 64
"""Up to here a list merges each department's newest rows; above it the time index is walked."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a list: by a column, then by id. Rows without a value there are left out."""

    column: str = "created_at"
    descending: bool = True

    @property
    def name(self) -> str:
        """How cursors name this order."""
        return f"{self.column}:{'desc' if self.descending else 'asc'}"


NEWEST = Order()


Shape = tuple[Order, bool, bool, bool, tuple[Condition, ...]]
"""The order, whether backward, whether after and before cursors, and the filter of a page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for; ``size`` counts from the end when ``backward``."""

    size: int
    backward: bool = False
    after: str | None = None
    before: str | None = None
    order: Order = NEWEST
    conditions: tuple[Condition, ...] = ()

    def shape(self, model: type[Base] | None = None, *, leading: bool = False) -> Shape:
        """What the statement's text depends on; given the table, the words of its filter too.

        With ``leading`` a filter may lead an index, as it does below departments alone.
        """
        conditions = weighed(model, self.conditions) if model else self.conditions
        if model and leading:
            conditions = led(model, self.order, conditions)
        return (
            self.order,
            self.backward,
            self.after is not None,
            self.before is not None,
            conditions,
        )

    def identity(self) -> tuple[Any, ...]:
        """What tells this page from others, the values of its filter included."""
        values = tuple(repr(c.value) for c in self.conditions)
        return (*self.shape(), self.size, self.after, self.before, values)

    def arguments(self, model: type[Base]) -> dict[str, Any]:
        """The statement's parameters, less its keys. Raises `InvalidInput` for a bad cursor."""
        values: dict[str, Any] = {c.parameter: c.argument for c in self.conditions}
        values["size"] = self.size + 1
        for name, text in (("after", self.after), ("before", self.before)):
            if text is not None:
                values[name], values[f"{name}_id"] = decoded_cursor(text, self.order, model, name)
        return values


@dataclass(slots=True, eq=False)
class Rows:
    """A page that was fetched, in the list's order."""

    rows: list[Row]
    page: Page
    has_next: bool
    has_previous: bool

    @classmethod
    def of(cls, fetched: list[Row], page: Page) -> Rows:
        """Makes a page of what its statement gave, which is one row more where more follow."""
        more = len(fetched) > page.size
        rows = fetched[: page.size]
        if page.backward:
            rows = rows[::-1]
            return cls(rows, page, has_next=page.before is not None, has_previous=more)
        return cls(rows, page, has_next=more, has_previous=page.after is not None)


def cursor_of(row: Row, order: Order) -> str:
    """The opaque place of a row in a list of this order."""
    # The driver's UUID is a subclass of Python's, which the encoder does not take for one.
    place = orjson.dumps([order.name, row[order.column], row["id"]], default=str)
    return base64.urlsafe_b64encode(place).rstrip(b"=").decode()


def decoded_cursor(text: str, order: Order, model: type[Base], argument: str) -> tuple[Any, Any]:
    """Gives the value and id that a cursor stands for.

    Raises `InvalidInput` when it was not made by this list, or for another order of it.
    """
    try:
        name, value, key = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if name == order.name:
            fields = model.__table__.c
            return _typed(value, fields[order.column].type), _typed(key, fields["id"].type)
    except (ValueError, TypeError):
        message = "This is no cursor of this list. Take one from a page of it."
        raise InvalidInput.at(argument, message, "bad_cursor") from None
    message = "This cursor belongs to another order of the list. Start from its first page."
    raise InvalidInput.at(argument, message, "other_order")


def _typed(value: Any, kind: TypeEngine[Any]) -> Any:
    wanted = kind.python_type
    if wanted in (datetime, UUID):
        if not isinstance(value, str):
            raise TypeError(value)
        return UUID(value) if wanted is UUID else storable(datetime.fromisoformat(value))
    if type(value) is not wanted:
        raise TypeError(value)
    if isinstance(value, int):
        limit = 2**63 if isinstance(kind, BigInteger) else 2**31
        if not -limit <= value < limit:
            raise ValueError(value)
    return storable(value)


def visible(model: type[Base]) -> ColumnElement[bool]:
    """Inside the scope, and not deleted."""
    return and_(scope.condition(model), _live(model))


def _live(model: type[Base]) -> ColumnElement[bool]:
    fields = model.__table__.c
    return fields["deleted_at"].is_(None) if "deleted_at" in fields else true()


def each_department() -> Subquery:
    """The departments of the scope as rows of ``department``, to take each one's rows apart."""
    unnested: ColumnElement[Any] = literal_column(f"unnest({scope.DEPARTMENTS_SQL}::uuid[])")
    return select(unnested.label("department")).subquery("k")


@kept
def by_keys(
    model: type[Base], selected: frozenset[str] | None = None
) -> tuple[Select[Any], type[Base]]:
    """Rows of ``$keys``, those that are visible, in no order."""
    keys = bindparam("keys", type_=ARRAY(Uuid()))
    wanted = model.__table__.c["id"] == func.any(keys)
    return select(*columns(model, selected)).where(wanted, visible(model)), model


@kept
def children(
    model: type[Base],
    parent: str,
    shape: Shape,
    selected: frozenset[str] | None = None,
) -> tuple[Select[Any], type[Base]]:
    """One page for each of ``$keys`` of the foreign key ``parent``, each group in its order."""
    keys = bindparam("keys", type_=ARRAY(Uuid()))
    key = func.unnest(keys).table_valued(column("key", Uuid()), with_ordinality="place", name="k")
    key = key.render_derived()
    mine = model.__table__.c[parent] == key.c.key
    shown = columns(model, selected, parent, shape[0].column)
    inner = _first(model, shape, shown, key, mine, visible(model))
    return select(*inner.c).select_from(key.join(inner, true())).order_by(
        key.c.place, *ordering(inner, shape[0], backward=shape[1])
    ), model


@kept
def child_counts(
    model: type[Base], parent: str, conditions: tuple[Condition, ...]
) -> tuple[Select[Any], None]:
    """How many visible rows each of ``$keys`` has: rows of ``key`` and ``count``."""
    keys = bindparam("keys", type_=ARRAY(Uuid()))
    foreign = model.__table__.c[parent]
    return (
        select(foreign.label("key"), func.count().label("count"))
        .where(foreign == func.any(keys), visible(model), *filtered(model, conditions))
        .group_by(foreign),
        None,
    )


@kept
def scoped(
    model: type[Base],
    shape: Shape,
    selected: frozenset[str] | None = None,
    *,
    merged: bool,
) -> tuple[Select[Any], type[Base]]:
    """One page over the whole scope.

    ``merged`` takes each department's first rows from its own index and merges them, which costs
    the same however large the table is; otherwise one index is walked in its order. A filter that
    leads an index is always merged.
    """
    limit = bindparam("size", type_=Integer())
    order, backward, *_, conditions = shape
    merged = merged or any(condition.leads for condition in conditions)
    shown = columns(model, selected, order.column)
    if not merged or model.scope_kind is not ScopeKind.DEPARTMENT or _is_tree(model):
        chosen = select(*shown).order_by(*ordering(model, order, backward=backward))
        return chosen.where(visible(model), *within(model, shape)).limit(limit), model
    departments = each_department()
    mine = model.__table__.c["department_id"] == departments.c.department
    # The departments come out of the scope, so comparing with the whole of it once more would only
    # make the planner expect next to no rows, and prefer to sort them all.
    inner = _first(model, shape, shown, departments, mine, scope.permitted(model), _live(model))
    return (
        select(*inner.c)
        .select_from(departments.join(inner, true()))
        .order_by(*ordering(inner, order, backward=backward))
        .limit(limit),
        model,
    )


def _first(
    model: type[Base],
    shape: Shape,
    shown: list[ColumnElement[Any]],
    parents: FromClause,
    *wanted: ColumnElement[bool],
) -> LateralFromClause:
    """The first rows of a page below each of ``parents``, or of each value of what leads."""
    limit = bindparam("size", type_=Integer())
    order, backward, *_, conditions = shape
    leader = next((condition for condition in conditions if condition.leads), None)
    chosen = (
        select(*shown)
        .where(*wanted, *within(model, shape))
        .order_by(*ordering(model, order, backward=backward))
        .limit(limit)
    )
    if leader is None:
        return chosen.lateral("c")
    listed = bindparam(leader.parameter, type_=ARRAY(model.__table__.c[leader.column].type))
    values = select(func.unnest(listed).label("value")).distinct().subquery("v")
    each = chosen.correlate(parents).lateral("e")
    return (
        select(*each.c)
        .select_from(values.join(each, true()))
        .order_by(*ordering(each, order, backward=backward))
        .limit(limit)
        .lateral("c")
    )


@kept
def scoped_count(model: type[Base], conditions: tuple[Condition, ...]) -> tuple[Select[Any], None]:
    """How many visible rows the scope has: one row of ``count``."""
    return (
        select(func.count().label("count"))
        .select_from(model)
        .where(visible(model), *filtered(model, conditions)),
        None,
    )


def _is_tree(model: type[Base]) -> bool:
    return "department_id" not in model.__table__.c


def ordering(source: Any, order: Order, *, backward: bool) -> list[ColumnElement[Any]]:
    """What a table or subquery is ordered by, turned round for a page from the end."""
    fields = source.c if hasattr(source, "c") else source.__table__.c
    ordered = [fields[order.column], fields["id"]]
    return [f.desc() if order.descending != backward else f.asc() for f in ordered]


def within(model: type[Base], shape: Shape) -> list[ColumnElement[bool]]:
    """The comparisons that keep a page between its cursors and inside its filter."""
    order, _, after, before, conditions = shape
    table = model.__table__.c
    place = tuple_(table[order.column], table["id"])
    limits = filtered(model, conditions)
    for name, wanted in (("after", after), ("before", before)):
        if wanted:
            bound = tuple_(
                bindparam(name, type_=table[order.column].type),
                bindparam(f"{name}_id", type_=table["id"].type),
            )
            lower = order.descending == (name == "after")
            limits.append(place < bound if lower else place > bound)
    return limits
