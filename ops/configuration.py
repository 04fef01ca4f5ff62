"""The settings that a word of the command works with, and what to say when they don't do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from domain.database import Database
from domain.errors import Unavailable
from domain.settings import Settings
from ops.environment import running_environment
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from pathlib import Path


def settings_of_environment() -> Settings:
    """Reads the settings from the environment. Raises `CommandFailed` with what is wrong in it."""
    try:
        return Settings()
    except ValidationError as error:
        # Of the values themselves nothing is told: they may be secrets.
        faults = [
            _words(f"AETHERFLOW_{str(fault['loc'][0]).upper()}", fault["type"], fault["msg"])
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        message = (
            f"the settings don't do. {'; '.join(faults)}. `./aetherflow up` sets all of them; "
            "elsewhere they come from the environment, as the README's table says."
        )
        raise CommandFailed(message) from None


def settings_here(data_dir: Path) -> Settings:
    """Reads the settings from the environment, and what is missing there from the `up` that runs.

    The AWS variables are taken over too. Raises `CommandFailed`.
    """
    try:
        running = running_environment(data_dir)
    except PermissionError:
        message = f"the run in {data_dir} is another account's: call this as that account."
        raise CommandFailed(message) from None
    if not running and "AETHERFLOW_DATABASE_URL" not in os.environ:
        message = (
            f"nothing runs in {data_dir}, and AETHERFLOW_DATABASE_URL is not set. Start "
            "`./aetherflow up` first, name its folder with --data-dir, or set the variables that "
            "your servers run with."
        )
        raise CommandFailed(message)
    for name, value in running.items():
        os.environ.setdefault(name, value)
    return settings_of_environment()


def owner_url_of(settings: Settings) -> str:
    """Gives the database's address as its owner. Raises `CommandFailed` where it is not set."""
    if settings.owner_database_url is None:
        message = (
            "AETHERFLOW_OWNER_DATABASE_URL is not set: this works as the database's owner, whose "
            "address only `./aetherflow up` and the migrations have."
        )
        raise CommandFailed(message)
    return settings.owner_database_url.get_secret_value()


async def require_database(settings: Settings) -> None:
    """Makes sure that the database answers and can enforce the scope. Raises `CommandFailed`."""
    database = Database(settings)
    try:
        await database.open()
    except Unavailable as error:
        message = f"{error.message} AETHERFLOW_DATABASE_URL says where it is looked for."
        raise CommandFailed(message) from error
    except RuntimeError as error:
        raise CommandFailed(str(error)) from error
    finally:
        await database.close()


def _words(name: str, kind: str, message: str) -> str:
    if kind == "missing":
        return f"{name} is not set"
    told = message.removeprefix("Value error, ")
    return told if told.startswith(name) else f"{name}: {told}"
