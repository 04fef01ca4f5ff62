"""What all tables have in common. The tables themselves are in each area's ``models``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, MetaData, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

from domain.permissions import Permission
from domain.scope import ScopeKind

if TYPE_CHECKING:
    from enum import StrEnum

NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}

NOW = text("now()")


class Base(DeclarativeBase):
    """A table. Each says its scope kind, and hides columns that no read may select."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        datetime: DateTime(timezone=True),
        str: Text(),
        int: BigInteger(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
    }
    scope_kind: ClassVar[ScopeKind]
    read_permission: ClassVar[Permission | None] = None
    """What a caller must hold for reads to show the rows; None where the scope is enough."""
    weighed: ClassVar[frozenset[str]] = frozenset()
    """Columns of few words, some rare and some not: pages filter by them in the statement's text,
    so that the planner knows how many rows they leave."""
    led: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Columns that follow the department in an index, with the columns that this index then orders
    by: a page that is filtered by values of the one takes each value's rows from there."""
    unread: ClassVar[frozenset[str]] = frozenset()
    """Columns that reads leave out because the application's role can't select them."""


class Identified:
    """A UUIDv7 key, which the database makes and which sorts by time."""

    id: Mapped[UUID] = mapped_column(
        primary_key=True, server_default=text("uuidv7()"), sort_order=-20
    )


class Created:
    """When the row was made."""

    created_at: Mapped[datetime] = mapped_column(server_default=NOW, sort_order=90)


class Timestamped(Created):
    """When the row was made and last changed; a trigger keeps ``updated_at``."""

    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, sort_order=91)


class Departmental:
    """A row that belongs to one department, for good."""

    scope_kind: ClassVar[ScopeKind] = ScopeKind.DEPARTMENT
    department_id: Mapped[UUID] = mapped_column(sort_order=-10)


def words(name: str, length: int, **options: Any) -> MappedColumn[Any]:
    """A text column of at most ``length`` characters, named ``name``."""
    limit = CheckConstraint(f"char_length({name}) <= {length}", name=f"{name}_length")
    return mapped_column(Text, limit, **options)


def one_of(name: str, values: type[StrEnum], **options: Any) -> MappedColumn[Any]:
    """A text column named ``name`` that holds one of an enum's values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return mapped_column(Text, CheckConstraint(f"{name} in ({listed})", name=name), **options)
