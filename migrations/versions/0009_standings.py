"""What many callers may see and do at once, for the streams that are kept open for them."""

from __future__ import annotations

from migrations.support import run, run_file

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the function."""
    run_file("0009_functions.sql")


def downgrade() -> None:
    """Drops it."""
    run("drop function standings(uuid[], uuid[], text[], uuid[], text[])")
