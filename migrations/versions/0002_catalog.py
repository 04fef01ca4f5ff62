"""Workspaces, datasets and uploads."""

from __future__ import annotations

from migrations.support import departmental, run, run_file, secure, touched, transitions

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("workspaces", "datasets", "uploads")


def upgrade() -> None:
    """Makes the tables with their policies and the paths of their statuses."""
    run_file("0002_catalog.sql")
    for table in TABLES:
        secure(table, "department", "select, insert, update")
    touched(*TABLES)
    departmental(*TABLES)
    transitions(
        "datasets",
        "status",
        {
            "uploading": "uploaded failed",
            "uploaded": "validating failed",
            # Back to where it was when a run over it is cancelled.
            "validating": "validated failed uploaded completed",
            "validated": "processing validating failed",
            "processing": "completed failed validated",
            "completed": "validating processing failed",
            "failed": "validating processing uploaded",
        },
    )
    transitions(
        "uploads",
        "status",
        {
            "uploading": "uploaded aborted expired failed",
            "uploaded": "processing completed failed",
            "processing": "completed failed uploaded",
            "failed": "processing completed",
        },
    )


def downgrade() -> None:
    """Drops the tables."""
    run("""
        drop trigger make_default_workspace on departments;
        drop function make_default_workspace();
        drop table uploads, datasets, workspaces cascade;
    """)
