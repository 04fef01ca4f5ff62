"""The door through which a worker learns which insight a department asks for."""

from __future__ import annotations

from migrations.support import run, run_file

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the function."""
    run_file("0004_insights.sql")


def downgrade() -> None:
    """Drops the function."""
    run("""
        set local role aetherflow_definer;
        drop function insight_of_department(uuid);
        reset role;
    """)
