"""Statements as text that is compiled once per shape and kept.

SQLAlchemy Core writes the SQL; the driver runs it. A statement's text never depends on values or
on the number of keys, so both the compiled text and the server's prepared plan are used again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache, wraps
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ParamSpec

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from domain.database import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.base import Executable

    from domain.models import Base

P = ParamSpec("P")

_DIALECT = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


KEPT = 2000
"""How many shapes of one kind of statement are kept; clients choose columns, filters and orders."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """SQL text with its parameters in order, and the class of the rows that it gives."""

    text: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]
    row: type[Row]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Puts values into the order of the text's parameters."""
        return [values[name] if name in values else self.constants[name] for name in self.names]


def compiled(executable: Executable, model: type[Base] | None = None) -> Statement:
    """Compiles a statement whose rows, if it gives any, are of ``model``."""
    result = executable.compile(  # type: ignore[attr-defined]
        dialect=_DIALECT, compile_kwargs={"render_postcompile": True}
    )
    names = tuple(result.positiontup or ())
    selected = executable.selected_columns.keys() if isinstance(executable, Select) else ()
    row = placed(model, tuple(selected))
    return Statement(result.string, names, dict(result.params), row)


def kept(
    build: Callable[P, tuple[Executable, type[Base] | None]],
) -> Callable[P, Statement]:
    """Decorates a builder of statements: a combination of arguments is compiled once, and kept."""

    @lru_cache(maxsize=KEPT)
    @wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> Statement:
        return compiled(*build(*args, **kwargs))

    return built  # type: ignore[return-value]


@cache
def row_of(model: type[Base]) -> type[Row]:
    """The class of the rows of one table, so that a row knows what it is a row of."""
    return type(f"{model.__name__}Row", (Row,), {"model": model, "__slots__": ()})


@lru_cache(maxsize=KEPT)
def placed(model: type[Base] | None, names: tuple[str, ...]) -> type[Row]:
    """The class of rows of a table, or of none, whose columns have these places.

    They are read by place: by name each read is a call in Python and a look-up, several times as
    slow.
    """
    row = row_of(model) if model else Row
    places: dict[str, Any] = {
        name: property(itemgetter(place))
        for place, name in enumerate(names)
        if not hasattr(row, name)
    }
    return type(row.__name__, (row,), {**places, "__slots__": ()})


def columns(
    model: type[Base], wanted: frozenset[str] | None = None, *needed: str
) -> list[ColumnElement[Any]]:
    """The columns of a table that reads select: all, or the id, those wanted and those needed."""
    names = None if wanted is None else {"id", *wanted, *needed}
    return [
        column
        for column in model.__table__.columns
        if column.name not in model.unread and (names is None or column.name in names)
    ]


def selected(model: type[Base]) -> Any:
    """Starts a select of a table's readable columns."""
    return select(*columns(model))
