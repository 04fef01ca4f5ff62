"""The variables that `aetherflow up` runs AetherFlow with, for the other words of the command.

While `up` runs they lie in its data folder, readable by its account alone, so that `token` or
`bench` find the same servers without a word of configuration.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "environment.json"


def leave_environment(data_dir: Path, variables: dict[str, str]) -> None:
    """Writes down the variables of a run that begins."""
    aside = data_dir / f"{NAME}.new"
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(variables, file, indent=1)
    aside.replace(data_dir / NAME)


def remove_environment(data_dir: Path) -> None:
    """Strikes out the variables of a run that ends."""
    (data_dir / NAME).unlink(missing_ok=True)


def running_environment(data_dir: Path) -> dict[str, str]:
    """Returns the variables of the run in this folder, or none when there is no such run.

    After a killed run they may be those of servers that no longer answer. Raises PermissionError
    when the run is another account's.
    """
    try:
        return dict(json.loads((data_dir / NAME).read_text()))
    except FileNotFoundError:
        return {}
