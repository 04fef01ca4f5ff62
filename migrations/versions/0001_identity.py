"""Departments, users, roles, memberships and sessions, and the doors through their security."""

from __future__ import annotations

from migrations.support import ME, PERSON, SCOPE, run, run_file, secure, touched

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

READABLE = (
    "id, email, full_name, is_active, is_verified, last_login_at, failed_login_count, "
    "locked_until, password_changed_at, deleted_at, created_at, updated_at"
)

PERMISSIONS = {
    "viewer": "dataset:read job:read result:read user:read",
    "technician": "dataset:read job:read job:start job:cancel result:read user:read",
    "editor": "dataset:read dataset:write workspace:write job:read job:start job:cancel "
    "result:read user:read",
    "manager": "dataset:read dataset:write dataset:delete workspace:write workspace:manage "
    "job:read job:start job:cancel result:read user:read user:write role:assign "
    "department:write",
    "admin": "dataset:read dataset:write dataset:delete workspace:write workspace:manage "
    "job:read job:start job:cancel result:read user:read user:write role:assign "
    "department:write",
}
DESCRIPTIONS = {
    "viewer": "Reads datasets, jobs and results.",
    "technician": "Reads, and starts and cancels jobs.",
    "editor": "Brings datasets and works on them.",
    "manager": "Runs departments and the people in them.",
    "admin": "Does everything; a membership of the company makes it everywhere.",
}


def upgrade() -> None:
    """Makes the tables, the functions, the policies and the seeded rows."""
    run("grant usage on schema public to aetherflow_app, aetherflow_definer")
    run_file("0001_identity.sql")
    run_file("0001_functions.sql")
    run("revoke execute on all functions in schema public from public")
    run("""
        grant execute on function touch_updated_at(), keep_department(), keep_transitions()
            to aetherflow_app, aetherflow_definer, aetherflow_owner;
        grant select on users, sessions, departments, user_departments, user_roles,
            role_permissions to aetherflow_definer;
        grant update on sessions to aetherflow_definer;
        create trigger end_sessions after update of is_active, deleted_at on users
            for each row when (
                (old.is_active and not new.is_active)
                or (old.deleted_at is null and new.deleted_at is not null)
            ) execute function end_sessions();
        create trigger keep_tree before insert or update of parent_id on departments
            for each row execute function keep_tree();
    """)
    secure(
        "departments",
        "department",
        "select, insert, update",
        using=f"id = any ({SCOPE})",
        insert=f"parent_id = any ({SCOPE})",
    )
    secure(
        "users",
        "person",
        f"select ({READABLE}), insert, update",
        using=PERSON.format(key="id"),
        # A new account has no membership yet, so nothing about it could be checked here; the
        # membership that the same transaction adds is.
        insert="true",
    )
    secure("user_identities", "person", "select, insert, delete")
    secure("roles", "shared", "select")
    secure("role_permissions", "shared", "select")
    secure("user_roles", "person", "select, insert, delete")
    secure("user_departments", "department", "select, insert, delete")
    secure("sessions", "own", "select, insert, update", using=f"user_id = {ME}")
    touched("departments", "users", "roles", "sessions")
    _seed()


def _seed() -> None:
    run("""
        insert into departments (code, name, description)
            values ('company', 'Company', 'The whole business.');
        insert into departments (code, name, description, parent_id)
            select v.code, v.name, v.description, d.id
            from departments d,
                (values ('sales', 'Sales', 'What is sold, and to whom.'),
                        ('supply', 'Supply', 'What is bought, stored and delivered.'),
                        ('finance', 'Finance', 'What is owed and paid.'))
                as v (code, name, description)
            where d.code = 'company';
    """)
    for role, permissions in PERMISSIONS.items():
        run(f"insert into roles (name, description) values ('{role}', '{DESCRIPTIONS[role]}')")
        for permission in permissions.split():
            run(f"""
                insert into role_permissions (role_id, permission)
                select id, '{permission}' from roles where name = '{role}'
            """)


def downgrade() -> None:
    """Drops all of it."""
    run("""
        drop table sessions, user_departments, user_roles, role_permissions, roles,
            user_identities, departments, users cascade;
        set local role aetherflow_definer;
        drop function begin_scope(uuid, uuid, text), login_lookup(text), actors(uuid[]),
            belongs_elsewhere(uuid), end_sessions(), keep_tree();
        reset role;
        drop function keep_transitions(), keep_department(), touch_updated_at();
        revoke usage on schema public from aetherflow_app, aetherflow_definer;
    """)
