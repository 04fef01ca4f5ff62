"""API tokens, one-time codes, counted attempts, and the doors that they and sessions need."""

from __future__ import annotations

from migrations.support import run, run_file, secure, touched

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

READABLE = (
    "id, user_id, name, permissions, department_ids, expires_at, last_used_at, revoked_at, "
    "created_at, updated_at"
)


def upgrade() -> None:
    """Makes the tables, their policies and the functions."""
    run_file("0006_identity.sql")
    secure("api_tokens", "own", f"select ({READABLE}), insert, update")
    # The application reaches these through functions alone.
    for table in ("one_time_codes", "login_attempts"):
        secure(table, "operators", "")
    touched("api_tokens")
    run("""
        grant select, insert, update, delete on api_tokens, one_time_codes, login_attempts
            to aetherflow_definer;
        grant select on roles, user_identities to aetherflow_definer;
        grant insert on users, user_departments, user_roles, user_identities
            to aetherflow_definer;
    """)
    run_file("0006_functions.sql")


def downgrade() -> None:
    """Drops the functions and the tables."""
    run("""
        set local role aetherflow_definer;
        drop function begin_token_scope(uuid, uuid, text, text), note_token_use(uuid, text),
            take_attempts(text[], integer[], interval), return_attempts(text[]),
            issue_code(text, text, interval, uuid, text, text, text, text, text),
            code_holds(text, text), take_code(text, text), identity_lookup(text, text),
            provision_user(text, text, text, text, text, text), sessions_of(uuid[]),
            session_user_of(uuid), revoke_sessions(uuid, uuid, uuid), governs(uuid),
            sweep_identity(integer);
        reset role;
        revoke select on roles, user_identities from aetherflow_definer;
        revoke insert on users, user_departments, user_roles, user_identities
            from aetherflow_definer;
        drop table login_attempts, one_time_codes, api_tokens;
        update sessions set revoked_reason = 'deactivated'
            where revoked_reason in ('password_reset', 'revoked');
        alter table sessions
            drop constraint sessions_revoked_reason_check,
            add constraint sessions_revoked_reason_check check (revoked_reason in (
                'logout', 'reuse', 'password_changed', 'deactivated'));
    """)
