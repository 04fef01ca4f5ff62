from __future__ import annotations

import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.ops.cli.conftest import ROOT

if TYPE_CHECKING:
    from tests.ops.cli.conftest import Command

WORDS = (
    "up",
    "demo",
    "upload",
    "jobs",
    "token",
    "user",
    "schema",
    "bench",
    "migrate",
    "api",
    "worker",
)


def test_lists_every_word(command: Command) -> None:
    done = command("--help")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ")]
    assert listed == list(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_explains_each_word_with_an_example(command: Command, word: str) -> None:
    done = command(word, "--help")
    assert done.returncode == 0
    assert f"usage: aetherflow {word}" in done.stdout
    assert "examples:" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_tells_the_project_s_version(command: Command) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert command("--version").stdout == f"aetherflow {project['version']}\n"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("upload",),
        ("api", "--port", "70000"),
        ("bench", "upload", "--size", "much"),
        ("bench", "jobs", "--rounds", "0"),
    ],
)
def test_answers_2_to_what_it_does_not_understand(command: Command, words: tuple[str, ...]) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert "Traceback" not in done.stderr


def test_ends_quietly_when_its_reader_has_seen_enough() -> None:
    words = [sys.executable, "-m", "ops", "schema"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
