"""The audit log: every change of state, written by trigger in the transaction of the change."""

from __future__ import annotations

from migrations.support import SCOPE, audited, run, run_file, secure

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PERMISSIONS = {"manager": "audit:read", "admin": "audit:read"}

AUDITED = {
    "departments": "",
    # What counts attempts to sign in says nothing of what was done; the session does.
    "users": "password_hash failed_login_count locked_until last_login_at",
    "user_identities": "",
    "roles": "",
    "role_permissions": "",
    "user_roles": "",
    "user_departments": "",
    # A session goes on with every use; its beginning and its end are what counts.
    "sessions": "generation expires_at last_used_at",
    "api_tokens": "token_hash last_used_at",
    "workspaces": "",
    "datasets": "",
    "uploads": "upload_progress uploaded_chunks s3_multipart_id",
    "jobs": "lease_token lease_expires_at leased_by heartbeat_at progress current_step "
    "queue_message_id error_traceback result_data",
    "job_datasets": "",
    # A result is its own record, and may be as large as a megabyte.
    "results": "payload metadata",
}
"""The tables whose changes are written, with the columns that never are."""


def upgrade() -> None:
    """Makes the log, its partitions and the triggers, and lets its readers read it."""
    run_file("0007_audit.sql")
    company = "exists (select from departments where parent_id is null)"
    secure(
        "audit_logs",
        "operators",
        "select",
        using=f"department_id = any ({SCOPE}) or department_id is null and {company}",
    )
    run("select make_audit_partitions()")
    for table, left_out in AUDITED.items():
        audited(table, *left_out.split())
    for role, permission in PERMISSIONS.items():
        run(f"""
            insert into role_permissions (role_id, permission)
            select id, '{permission}' from roles where name = '{role}'
        """)


def downgrade() -> None:
    """Drops all of it."""
    for table in AUDITED:
        run(f"drop trigger audit on {table}")
    run("""
        delete from role_permissions where permission = 'audit:read';
        set local role aetherflow_definer;
        drop function audit_change(), make_audit_partitions();
        drop table audit_logs;
        drop schema partitions;
        reset role;
        drop function keep_audit();
    """)
