"""The audit log as the graph shows it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING
from uuid import UUID

import strawberry

from domain.filters import Condition, Operator
from domain.identity import models, reads
from domain.models import Base
from domain.paging import Order
from graph.edges import batch_field, by, one
from graph.enums import Direction, described, values
from graph.identity.types import Actor, Department
from graph.nodes import Node, node
from graph.paging import Connection, scoped_connection
from graph.scalars import Json, decoded_id, encoded_id, given_key

if TYPE_CHECKING:
    # To type checkers the graph's form of an enum is the domain's: the same values.
    from domain.identity.models import AuditOperation
else:
    AuditOperation = described(
        models.AuditOperation,
        "What happened to a row.",
        {
            models.AuditOperation.INSERT: "It was made.",
            models.AuditOperation.UPDATE: "It was changed.",
            models.AuditOperation.DELETE: "It was removed.",
        },
    )


@node(models.AuditLog, "One change of one row: who changed what, from where, before and after.")
class AuditLog(Node):
    """A row of `audit_logs`."""

    created_at: datetime = strawberry.field(description="When the change was begun.")
    operation: AuditOperation = strawberry.field(description="What happened to the row.")
    table_name: str = strawberry.field(description="The table of the row.")
    old_values: Json | None = strawberry.field(
        description="The values before, of an update only those that changed; never a secret."
    )
    new_values: Json | None = strawberry.field(
        description="The values after, of an update only those that changed; never a secret."
    )
    change_reason: str | None = strawberry.field(
        description="What the change was part of, where that is not plain: a sign-in, a job."
    )
    request_id: str | None = strawberry.field(description="The id of the request that made it.")

    actor: Actor | None = by(
        reads.actors, "user_id", "Who made the change; null where it was the system itself."
    )
    by_api_token: bool = batch_field(
        lambda _context, rows, _arguments: [row.api_token_id is not None for row in rows],
        "Whether a machine made it, with an API token of the actor's.",
        "api_token_id",
    )
    record_id: strawberry.ID = batch_field(
        lambda _context, rows, _arguments: [
            encoded_id(_type_of(row.table_name), UUID(row.record_id)) for row in rows
        ],
        "The global id of the row.",
        "table_name",
        "record_id",
    )
    department: Department | None = one(
        models.Department, "department_id", "The department that the row belongs to, if to one."
    )
    address: str | None = batch_field(
        lambda _context, rows, _arguments: [
            None if row.ip_address is None else str(row.ip_address) for row in rows
        ],
        "The network address that the change came from.",
        "ip_address",
    )


@strawberry.input(description="Which entries to give: those that meet all that is set.")
class AuditLogFilter:
    """Comparisons of an entry's columns."""

    actor_id: strawberry.ID | None = strawberry.field(
        default=None, description="This user made the change."
    )
    operation: list[AuditOperation] | None = strawberry.field(
        default=None, description="One of these happened."
    )
    table_name: list[str] | None = strawberry.field(
        default=None, description="It happened to a row of one of these tables."
    )
    record_id: strawberry.ID | None = strawberry.field(
        default=None, description="It happened to this row."
    )
    created_from: datetime | None = strawberry.field(
        default=None, description="It happened at this moment or later."
    )
    created_before: datetime | None = strawberry.field(
        default=None, description="It happened before this moment."
    )

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that are set. Raises `NotFound` for what is no id."""
        record = None if self.record_id is None else str(decoded_id(self.record_id)[1])
        given = [
            Condition("user_id", Operator.IS, given_key("User", self.actor_id)),
            Condition("operation", Operator.IN, values(self.operation)),
            Condition("table_name", Operator.IN, self.table_name),
            Condition("record_id", Operator.IS, record),
            Condition("created_at", Operator.FROM, self.created_from),
            Condition("created_at", Operator.BEFORE, self.created_before),
        ]
        return tuple(c for c in given if c.value is not None)


@strawberry.enum(description="What entries of the audit log can be ordered by.")
class AuditLogOrderField(Enum):
    """Columns that are never null."""

    CREATED_AT = strawberry.enum_value("created_at", description="When the change was begun.")


@strawberry.input(description="The order of a list of entries.")
class AuditLogOrderBy:
    """A column and a direction."""

    field: AuditLogOrderField = strawberry.field(
        default=AuditLogOrderField.CREATED_AT, description="What to order by."
    )
    direction: Direction = strawberry.field(
        default=Direction.DESC, description="Which end comes first."
    )

    def order(self) -> Order:
        """The order of the list."""
        return Order(str(self.field.value), descending=self.direction is Direction.DESC)


@strawberry.type
class AuditQueries:
    """Root fields about the audit log."""

    audit_logs: Connection[AuditLog] = scoped_connection(
        models.AuditLog,
        "Every change of state in the departments that the caller sees, to whoever holds "
        "audit:read; what belongs to no department, to those of them who see the whole company.",
        filter=AuditLogFilter,
        order_by=AuditLogOrderBy,
    )


def _type_of(table: str) -> str:
    for mapper in Base.registry.mappers:
        if mapper.class_.__tablename__ == table:
            return mapper.class_.__name__
    return table
