"""The script that makes the environment, run on projects of a few lines."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
BUILD = "require('fs').mkdirSync('dist',{recursive:true});require('fs').writeFileSync('dist/built',"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements-dev.lock").write_text("# nothing\n")
    (tmp_path / "web").mkdir()
    return tmp_path


@pytest.fixture
def script(project: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working on the small project and without a network."""
    loader = SourceFileLoader("aetherflow_script", str(ROOT / "aetherflow"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    places = {
        "ROOT": project,
        "VENV": project / ".venv",
        "PYTHON": project / ".venv/bin/python",
        "LOCK": project / "requirements-dev.lock",
        "INSTALLED": project / ".venv/installed",
        "WEB": project / "web",
        "BUILT": project / "web/dist/.sources",
    }
    for name, path in places.items():
        monkeypatch.setattr(module, name, path)
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    return module


def write_pages(web: Path, build: str) -> None:
    package: dict[str, Any] = {"name": "pages", "version": "1.0.0"}
    lock = package | {"lockfileVersion": 3, "packages": {"": package}}
    (web / "package.json").write_text(json.dumps(package | {"scripts": {"build": build}}))
    (web / "package-lock.json").write_text(json.dumps(lock))


def test_makes_a_half_made_environment_anew_and_keeps_a_finished_one(
    script: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / ".venv").mkdir()
    (project / ".venv/half").touch()
    script.install()
    assert not (project / ".venv/half").exists()
    assert "making .venv" in capsys.readouterr().err

    (project / ".venv/kept").touch()
    script.install()
    assert capsys.readouterr().err == ""

    (project / "requirements-dev.lock").write_text("# nothing else\n")
    script.install()
    assert "installing" in capsys.readouterr().err
    assert (project / ".venv/kept").exists()


def test_says_what_to_do_when_packages_can_not_be_fetched(
    script: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = f"aetherflow-missing==1.0 --hash=sha256:{'0' * 64}\n"
    (project / "requirements-dev.lock").write_text(lock)
    with pytest.raises(script.Failed, match="mend the network"):
        script.install()
    assert "aetherflow-missing" in capsys.readouterr().err
    assert not (project / ".venv/installed").exists()


def test_says_what_to_do_without_the_venv_module(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(script.Failed, match="apt-get install python3-venv"):
        script.install()


def test_builds_pages_with_its_own_node_when_their_sources_changed(
    script: ModuleType,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(script, "VENV", Path(sys.prefix))
    write_pages(project / "web", f'node -e "{BUILD}process.execPath)"')
    (project / "bin").mkdir()
    (project / "bin/sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(project / "bin"))  # no Node of the system's here

    script.build_pages()
    assert Path((project / "web/dist/built").read_text()).is_relative_to(sys.prefix)
    assert "building the pages" in capsys.readouterr().err

    (project / "web/node_modules/.cache").mkdir(parents=True)
    (project / "web/node_modules/.cache/one").touch()
    script.build_pages()
    assert capsys.readouterr().err == ""

    (project / "web/src").mkdir()
    (project / "web/src/page.ts").touch()
    script.build_pages()
    assert "building the pages" in capsys.readouterr().err


def test_shows_the_builder_s_words_when_pages_can_not_be_built(
    script: ModuleType,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(script, "VENV", Path(sys.prefix))
    write_pages(project / "web", "node -e \"throw new Error('a comma is missing')\"")
    with pytest.raises(script.Failed, match="building the pages failed"):
        script.build_pages()
    assert "a comma is missing" in capsys.readouterr().err
    assert not (project / "web/dist/.sources").exists()


def test_lists_its_words() -> None:
    told = subprocess.run(
        [ROOT / "aetherflow", "--help"], check=True, capture_output=True, text=True, cwd="/"
    )
    for word in ("up", "test", "setup", "check", "soak"):
        assert f"./aetherflow {word} " in told.stdout


def test_gives_further_words_to_pytest() -> None:
    words = ["test", "-n0", "--collect-only", "-q", "tests/architecture/test_locks.py"]
    told = subprocess.run(
        [ROOT / "aetherflow", *words], check=True, capture_output=True, text=True, cwd="/"
    )
    assert "test_every_dependency_is_pinned_exactly" in told.stdout


def test_gives_the_words_after_chaos_to_its_own_run() -> None:
    words = ["soak", "chaos", "--help"]
    told = subprocess.run(
        [ROOT / "aetherflow", *words], check=True, capture_output=True, text=True, cwd="/"
    )
    assert "--seed" in told.stdout
