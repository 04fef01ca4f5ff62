from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINNED = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z]+\])?==([^\s;]+)", re.MULTILINE | re.IGNORECASE)


def pins(text: str) -> dict[str, str]:
    return {name.lower().replace("_", "-"): version for name, version in PINNED.findall(text)}


RUNTIME = pins("\n".join(PROJECT["project"]["dependencies"]))
EMBEDDED = pins("\n".join(PROJECT["project"]["optional-dependencies"]["embedded"]))
DEV = pins("\n".join(PROJECT["dependency-groups"]["dev"]))


def test_every_dependency_is_pinned_exactly() -> None:
    groups = [
        PROJECT["project"]["dependencies"],
        PROJECT["project"]["optional-dependencies"]["embedded"],
        PROJECT["dependency-groups"]["dev"],
    ]
    assert sum(len(group) for group in groups) == len(RUNTIME) + len(EMBEDDED) + len(DEV)


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", RUNTIME),
        ("requirements-dev.lock", RUNTIME | EMBEDDED | DEV),
    ],
)
def test_lock_holds_what_the_project_asks_for(lock: str, wanted: dict[str, str]) -> None:
    locked = pins((ROOT / lock).read_text())
    assert wanted.items() <= locked.items()


def test_containers_get_the_versions_that_were_tested() -> None:
    runtime = pins((ROOT / "requirements.lock").read_text())
    tested = pins((ROOT / "requirements-dev.lock").read_text())
    assert runtime.items() <= tested.items()
    assert not runtime.keys() & (EMBEDDED.keys() | DEV.keys())


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_has_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(text))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|^\s*-(-index|-extra|-find|i|f)", text, flags=re.MULTILINE)
