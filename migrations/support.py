"""How a revision runs a file of SQL, and makes what every table has by its scope kind."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op
from sqlalchemy.util import await_only

FILES = Path(__file__).parent / "sql"

SCOPE = "(select nullif(current_setting('app.department_ids', true), '')::uuid[])::uuid[]"
ME = "(select nullif(current_setting('app.user_id', true), '')::uuid)"
PERSON = (
    f"({{key}} = {ME} or {{key}} in "
    f"(select user_id from user_departments where department_id = any ({SCOPE})))"
)

POLICIES = {
    "department": f"department_id = any ({SCOPE})",
    "person": PERSON.format(key="user_id"),
    "own": f"user_id = {ME}",
}


def run(text: str) -> None:
    """Runs SQL text of any number of statements, in the migration's transaction."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None  # noqa: S101 (it is open while a revision runs)
    await_only(connection.execute(text))


def run_file(name: str) -> None:
    """Runs one file of ``migrations/sql``."""
    run((FILES / name).read_text(encoding="utf-8"))


def secure(
    table: str, kind: str, grants: str, *, using: str | None = None, insert: str | None = None
) -> None:
    """Grants a table to the application's role and lets row-level security guard it.

    ``using`` replaces the condition of its scope kind, and ``insert`` the one for new rows. The
    owner and the definer are let through by policies, because security is forced on them too.
    """
    if grants:
        run(f"grant {grants} on {table} to aetherflow_app")
    if kind == "shared":
        return
    rule = using or POLICIES.get(kind, "false")
    conditions = {
        "select": f"using ({rule})",
        "insert": f"with check ({insert or rule})",
        "update": f"using ({rule}) with check ({rule})",
        "delete": f"using ({rule})",
    }
    run(f"""
        alter table {table} enable row level security;
        alter table {table} force row level security;
        create policy owner_all on {table} to aetherflow_owner using (true) with check (true);
        create policy definer_all on {table} to aetherflow_definer using (true) with check (true);
    """)
    for command, condition in conditions.items():
        # What is not granted is refused before any policy is asked.
        if re.search(rf"\b{command}\b", grants):
            name = f"app_{command}"
            run(f"create policy {name} on {table} for {command} to aetherflow_app {condition}")


def touched(*tables: str) -> None:
    """Keeps ``updated_at`` of these tables by trigger."""
    for table in tables:
        run(f"""
            create trigger touch before update on {table}
                for each row execute function touch_updated_at()
        """)


def departmental(*tables: str) -> None:
    """Keeps a row's department from ever changing."""
    for table in tables:
        run(f"""
            create trigger keep_department before update of department_id on {table}
                for each row execute function keep_department()
        """)


def transitions(table: str, column: str, allowed: dict[str, str]) -> None:
    """Lets a status only go where ``allowed`` says: from a word to words split by blanks."""
    pairs = ", ".join(f"'{old}>{new}'" for old, news in allowed.items() for new in news.split())
    run(f"""
        create trigger keep_transitions before update of {column} on {table}
            for each row when (old.{column} is distinct from new.{column})
            execute function keep_transitions({pairs})
    """)


def audited(table: str, *left_out: str) -> None:
    """Writes every change of a table's rows to the audit log, but for the columns that are named.

    Those are secrets, and what changes without anything having been done, such as progress.
    """
    arguments = ", ".join(f"'{name}'" for name in (table, *left_out))
    run(f"""
        create trigger audit after insert or update or delete on {table}
            for each row execute function audit_change({arguments})
    """)
