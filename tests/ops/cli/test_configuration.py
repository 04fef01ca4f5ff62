from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ops.environment import leave_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ops.cli.conftest import Command


@pytest.mark.parametrize("word", ["api", "worker"])
def test_names_all_settings_that_are_missing_or_wrong(command: Command, word: str) -> None:
    done = command(
        word,
        env={"AETHERFLOW_SECRET_KEY": "hush", "AETHERFLOW_DATABASE_POOL_SIZE": "many"},
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "AETHERFLOW_DATABASE_URL is not set" in done.stderr
    assert "AETHERFLOW_SECRET_KEY needs at least 32 characters" in done.stderr
    assert "AETHERFLOW_DATABASE_POOL_SIZE: Input should be a valid integer" in done.stderr
    assert "hush" not in done.stderr
    assert "many" not in done.stderr


@pytest.mark.parametrize("word", ["api", "worker"])
def test_says_that_the_database_does_not_answer(
    command: Command, word: str, variables: dict[str, str]
) -> None:
    away = {"AETHERFLOW_DATABASE_URL": "postgresql://aetherflow_app:hush@127.0.0.1:1/aetherflow"}
    done = command(word, env=variables | away)
    assert done.returncode == 1
    assert done.stderr.startswith("aetherflow: The database does not answer.")
    assert "hush" not in done.stderr


@pytest.mark.parametrize("word", ["api", "worker"])
def test_refuses_a_role_that_the_policies_do_not_bind(
    command: Command, word: str, variables: dict[str, str]
) -> None:
    owner = {"AETHERFLOW_DATABASE_URL": variables["AETHERFLOW_OWNER_DATABASE_URL"]}
    done = command(word, env=variables | owner)
    assert done.returncode == 1
    assert "does not bypass row-level security" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("token", "--email", "sales@aetherflow.local"), ("migrate",)])
def test_says_what_to_do_where_nothing_runs(
    command: Command, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = command(*words, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"nothing runs in {tmp_path}" in done.stderr
    assert "./aetherflow up" in done.stderr


def test_takes_the_variables_of_a_running_up(
    command: Command, tmp_path: Path, variables: dict[str, str]
) -> None:
    leave_environment(tmp_path, variables)
    words = ("token", "--email", "sales@aetherflow.local", "--data-dir", str(tmp_path))
    assert command(*words).stdout.count(".") == 2

    # What the environment says goes first.
    done = command(*words, env={"AETHERFLOW_DATABASE_URL": "postgresql://a@127.0.0.1:1/b"})
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    left: dict[str, str] = json.loads((tmp_path / "environment.json").read_text())
    assert left == variables
