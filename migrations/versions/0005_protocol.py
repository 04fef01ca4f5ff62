"""Claims of several jobs at once, failures that blame no file, and what operators may see."""

from __future__ import annotations

from migrations.support import run, run_file

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PERMISSIONS = {"manager": "job:operate", "admin": "job:operate"}


def upgrade() -> None:
    """Adds the column, the functions and the permission."""
    run_file("0005_protocol.sql")
    # Workers of the release before go on claiming one at a time until they are replaced.
    for role, permission in PERMISSIONS.items():
        run(f"""
            insert into role_permissions (role_id, permission)
            select id, '{permission}' from roles where name = '{role}'
        """)


def downgrade() -> None:
    """Takes them away, and has datasets follow their jobs as before."""
    run("delete from role_permissions where permission = 'job:operate'")
    run("""
        set local role aetherflow_definer;
        drop function claim_jobs(text, interval, text[], integer), queue_figures();
        reset role;
    """)
    run_file("0005_downgrade.sql")
    run("alter table jobs drop column blames_file")
