"""What dashboards ask for: jobs by when they ended and why they failed, results by their type."""

from __future__ import annotations

from migrations.support import run, run_file

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the indexes."""
    run_file("0008_operations.sql")


def downgrade() -> None:
    """Drops the indexes."""
    run("""
        drop index jobs_department_id_completed_at_id_idx,
            jobs_department_id_status_completed_at_id_idx,
            jobs_department_id_error_code_completed_at_id_idx,
            results_department_id_result_type_created_at_id_idx;
    """)
