"""What is in the database of departments that are not the caller's, to prove that it stayed so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from domain.scope import ScopeKind
from tests.factories.tables import MODELS

if TYPE_CHECKING:
    from uuid import UUID

WRITTEN = ("audit_logs", "login_attempts", "one_time_codes")
"""Tables in which anybody's doings are noted, whoever they are about."""

COUNTED = ("failed_login_count", "locked_until", "updated_at")
"""What anybody's attempt to sign in changes of an account."""

OWN = """
    with recursive below as (
        select id from departments where id = $1
        union select d.id from departments d join below b on d.parent_id = b.id
    )
"""
MEMBERS = "select user_id from user_departments where department_id in (select id from below)"


async def of_others(owner: Any, department_id: UUID) -> dict[tuple[str, str], str]:
    """Every row outside a department and what is below it, as text, by table and id."""
    found = {}
    for table, model in MODELS.items():
        if table in WRITTEN:
            continue
        if model.scope_kind is ScopeKind.SHARED:
            condition = "true or $1::uuid is null"
        elif table in ("departments", "users"):
            inside = "select id from below" if table == "departments" else MEMBERS
            condition = f"id not in ({inside})"
        elif "department_id" in model.__table__.c:
            condition = "department_id not in (select id from below)"
        else:
            condition = f"user_id not in ({MEMBERS})"
        counted = "".join(f" - '{name}'" for name in COUNTED) if table == "users" else ""
        rows = await owner.fetch(
            f"{OWN} select id::text, (to_jsonb(t){counted})::text as content "  # noqa: S608
            f"from {table} t where {condition}",
            department_id,
        )
        found.update({(table, row.id): row.content for row in rows})
    return found
