"""Brings the database to a revision of its history."""

from __future__ import annotations

from pathlib import Path

import alembic.command
from alembic.config import Config

HISTORY = Path(__file__).resolve().parent.parent / "migrations"


def history(owner_url: str) -> Config:
    """Returns Alembic's configuration for the database of this address, as its owner."""
    config = Config(attributes={"url": owner_url})
    config.set_main_option("script_location", str(HISTORY).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Applies what is missing up to the revision; does nothing when nothing is.

    Processes that start at once wait for each other. Runs an event loop of its own, so call it
    where none runs. Raises what the database raises.
    """
    alembic.command.upgrade(history(owner_url), revision)


def downgrade(owner_url: str, revision: str) -> None:
    """Takes back what was applied after the revision, ``base`` being the empty database."""
    alembic.command.downgrade(history(owner_url), revision)
