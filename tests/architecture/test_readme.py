"""The README's tables say what the code says."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

from pydantic import SecretStr

from domain.errors import ErrorCode
from domain.permissions import Permission
from domain.settings import Settings
from graph.transport.messages import CloseCode
from ops.cli import WORDS
from workers.engines.errors import FileErrorCode

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def table(*header: str) -> list[list[str]]:
    """The rows of the one table with these words at the head of its columns."""
    head = f"| {' | '.join(header)} |\n"
    assert README.count(head) == 1, header
    lines = README.split(head)[1].splitlines()
    rows = []
    for line in lines[1:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def code(cell: str) -> str:
    return cell.strip("`")


def test_lists_every_setting_with_its_default() -> None:
    rows = table("variable", "default", "what it sets")
    found = {code(name): code(default) for name, default, _ in rows}
    expected = {}
    for name, field in Settings.model_fields.items():
        value = field.default
        if field.is_required():
            text = ""
        elif value is None:
            text = "none"
        elif isinstance(value, SecretStr):
            text = value.get_secret_value()
        elif isinstance(value, tuple):
            text = str(list(value))
        else:
            text = str(value)
        expected[f"AETHERFLOW_{name.upper()}"] = text
    assert found == expected
    assert all(row[2] for row in rows)


def seeded_permissions() -> dict[str, set[str]]:
    """What the migrations together allow each role."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "migrations" / "versions").glob("*.py")):
        spec = importlib.util.spec_from_file_location("seeded", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for role, permissions in getattr(module, "PERMISSIONS", {}).items():
            found.setdefault(role, set()).update(permissions.split())
    return found


def test_shows_which_role_may_do_what() -> None:
    seeded = seeded_permissions()
    rows = table("permission", *seeded)
    assert [code(row[0]) for row in rows] == [str(permission) for permission in Permission]
    for role, column in zip(seeded, zip(*(row[1:] for row in rows), strict=True), strict=True):
        allowed = {code(row[0]) for row, cell in zip(rows, column, strict=True) if cell == "✓"}
        assert allowed == seeded[role], role


def test_explains_every_code_of_an_error() -> None:
    rows = table("code", "what it means, and what to do")
    assert [code(row[0]) for row in rows] == [str(member) for member in ErrorCode]
    assert all(row[1] for row in rows)


def codes_of_jobs() -> set[str]:
    """The codes that jobs end with: the workers' own, those of files, that of a lost lease."""
    found = {str(member) for member in FileErrorCode}
    for path in (ROOT / "workers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"JobFailed", "Failure"}
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    for path in (ROOT / "migrations" / "sql").glob("*.sql"):
        found.update(re.findall(r"error_code = '([A-Z_]+)'", path.read_text()))
    # A run that meets a part that does not answer ends with the code of that error.
    return found | {str(ErrorCode.UNAVAILABLE)}


def test_explains_every_code_of_a_failed_job() -> None:
    rows = table("code", "why the job failed")
    assert {code(row[0]) for row in rows} == codes_of_jobs()
    assert len(rows) == len(codes_of_jobs())


def test_explains_every_code_that_a_socket_is_closed_with() -> None:
    rows = table("code", "why", "kind")
    assert {int(row[0]) for row in rows} == {int(member) for member in CloseCode}
    assert {row[2] for row in rows} == {"connect again", "mend"}


def test_lists_every_word_of_the_command() -> None:
    words = [word.__name__.rpartition(".")[2] for word in WORDS]
    listed = [re.match(r"`(\w+)", row[0]) for row in table("word", "what it does")]
    assert sorted(found[1] for found in listed if found and found[1] != "setup") == sorted(words)


def test_points_at_nothing_that_is_not_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        missing = [link for link in links if not (page.parent / link).exists()]
        assert not missing, page
        named = re.findall(
            r"`((?:tests|domain|graph|workers|ops|docs)/[\w/.]*\w)`", page.read_text()
        )
        assert not [path for path in named if not (ROOT / path).exists()], page
