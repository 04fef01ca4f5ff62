"""Tasks run as the child runs them, in a job directory of the test's own, but in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

from workers.engines.errors import FileError, FileErrorCode
from workers.engines.etl import convert
from workers.engines.progress import Progress
from workers.engines.task import Request
from workers.engines.validation import validate

MEMORY = 2 << 30
DATA = Path(__file__).parents[2] / "data"


@dataclass
class Engine:
    """Runs tasks on given contents, and reads what they leave."""

    told: list[tuple[int, str]] = field(default_factory=list)

    def validate(
        self, content: bytes | str | Path, file_type: str = "csv", **params: object
    ) -> dict[str, Any]:
        return self._plain(validate(self._request(content, file_type, params)))

    def convert(
        self, content: bytes | str | Path, file_type: str = "csv", **params: object
    ) -> dict[str, Any]:
        return self._plain(convert(self._request(content, file_type, params)))

    def both(
        self, content: bytes | str | Path, file_type: str = "csv", **params: object
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Validates, then converts by the report; gives report and summary."""
        report = self.validate(content, file_type, **params)
        return report, self.convert(content, file_type, **params, validation=report)

    def refusal(
        self, content: bytes | str | Path, file_type: str = "csv", **params: object
    ) -> FileErrorCode:
        with pytest.raises(FileError) as caught:
            self.validate(content, file_type, **params)
        return caught.value.code

    def types(self, content: bytes | str, file_type: str = "csv") -> list[str]:
        return [column["type"] for column in self.validate(content, file_type)["columns"]]

    def rows(self) -> list[tuple[Any, ...]]:
        return duckdb.sql("from 'output.parquet'").fetchall()

    def rejects(self) -> list[dict[str, Any]]:
        path = Path("rejects.jsonl")
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def _request(
        self, content: bytes | str | Path, file_type: str, params: dict[str, object]
    ) -> Request:
        if isinstance(content, Path):
            content = content.read_bytes()
        elif isinstance(content, str):
            content = content.encode()
        path = Path("input")
        path.write_bytes(content)
        progress = Progress(lambda percentage, step: self.told.append((percentage, step)))
        return Request(path, file_type, params, MEMORY, progress)

    @staticmethod
    def _plain(document: dict[str, Any]) -> dict[str, Any]:
        """Passes a document through JSON, as the child's answer is."""
        made: dict[str, Any] = json.loads(json.dumps(document))
        return made


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.chdir(tmp_path)
    return Engine()
