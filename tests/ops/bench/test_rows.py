from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ops.bench.rows import Row, compared, print_rows

if TYPE_CHECKING:
    import pytest

ROWS = [
    Row("upload", "1 MB csv", "upload rate", 12.3456, "MB/s"),
    compared("upload", "1 MB csv", "etl job", 3.0, "s", "bare DuckDB", 2.0),
    compared("upload", "1 MB csv", "rows", 1_234_567.8, "rows", "bare DuckDB", 1_234_567.8),
]


def test_prints_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, as_json=True)
    first, second, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert list(first) == ["bench", "case", "metric", "value", "unit", "reference", "ratio"]
    assert first["value"] == 12.3456
    assert first["reference"] is first["ratio"] is None
    assert (second["reference"], second["ratio"]) == ("bare DuckDB", 1.5)


def test_prints_a_table_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    print_rows(ROWS, as_json=False)
    told = capsys.readouterr().out
    assert "12.3 │ MB/s" in told
    assert "bare DuckDB │   1.5" in told
    assert "1,234,568" in told
