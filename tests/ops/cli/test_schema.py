from __future__ import annotations

from typing import TYPE_CHECKING

from graph.schema import sdl
from ops.cli import main
from ops.commands import schema

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == sdl()


def test_compares_with_the_file_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema, "FILE", tmp_path / "schema.graphql")
    assert main(["schema", "--check"]) == 1
    assert "./aetherflow schema --write" in capsys.readouterr().err

    assert main(["schema", "--write"]) == 0
    assert schema.FILE.read_text() == sdl()
    assert main(["schema", "--check"]) == 0

    schema.FILE.write_text(sdl().replace("type Job ", "type Jub ", 1))
    capsys.readouterr()
    assert main(["schema", "--check"]) == 1
    told = capsys.readouterr()
    assert "-type Jub " in told.out
    assert "+type Job " in told.out
    assert "schema.graphql is not what the code says" in told.err


def test_the_committed_file_is_what_the_code_says() -> None:
    assert schema.FILE.read_text() == sdl(), "see `./aetherflow schema --check`"
