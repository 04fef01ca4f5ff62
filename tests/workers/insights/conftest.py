"""Insights of files that a test makes, and of the real ones, read again here by other means."""

from __future__ import annotations

import contextlib
import csv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from tests.workers.engines.schemas import faults
from workers.engines.etl import convert
from workers.engines.progress import Progress
from workers.engines.task import Request
from workers.insights.insight import make_insight

if TYPE_CHECKING:
    from collections.abc import Callable

    Insight = Callable[..., dict[str, Any]]

DATA = Path(__file__).parent.parent.parent / "data"
MEMORY = 1 << 30
FILES = {
    "sales": "sales_online_retail.csv",
    "supply": "supply_dataco_orders.csv",
    "finance": "finance_credit_default.csv",
}


def made(path: str, **params: Any) -> dict[str, Any]:
    """The insight of a Parquet file of the working directory; it always fits its schema."""
    told: list[int] = []
    progress = Progress(lambda percentage, _: told.append(percentage))
    # The child has one thread from its start; here libraries are loaded before that is said.
    with threadpool_limits(1):
        document = make_insight(Request(Path(path), "parquet", params, MEMORY, progress))
    assert faults("department_insight.v1.json", document) == []
    assert told[0] == 0
    assert told == sorted(told)
    for figure in document["figures"].values():
        assert all(list(point) == list(figure["fields"]) for point in figure["points"])
        assert 0 <= figure["rows"] <= document["rows"]
    said = {each["figure"] for each in document["not_available"]}
    assert not said & set(document["figures"])
    return document


@pytest.fixture
def insight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Insight:
    """Makes the insight of a table."""
    monkeypatch.chdir(tmp_path)

    def make(table: pd.DataFrame, **params: Any) -> dict[str, Any]:
        duckdb.from_df(table).write_parquet("input.parquet")
        return made("input.parquet", **params)

    return make


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Gives the insight of a department's real file, cleaned by the product's own etl."""

    @cache
    def make(department: str) -> dict[str, Any]:
        with contextlib.chdir(tmp_path_factory.mktemp(department)):
            Path("input").write_bytes((DATA / FILES[department]).read_bytes())
            convert(Request(Path("input"), "csv", {}, MEMORY, Progress(lambda *_: None)))
            return made("output.parquet", department=department)

    return make


def lines(department: str) -> pd.DataFrame:
    """The real file as Python's csv module reads it; lines of another width are left out."""
    with (DATA / FILES[department]).open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file))
    kept = [row for row in rows if len(row) == len(header)]
    return pd.DataFrame(kept, columns=[name.strip() for name in header])


def points(document: dict[str, Any], figure: str) -> pd.DataFrame:
    """The points of a figure as a table."""
    found = document["figures"][figure]
    return pd.DataFrame(found["points"], columns=list(found["fields"]))


def numbers(document: dict[str, Any], figure: str) -> dict[str, Any]:
    """The one point of a figure."""
    (point,) = document["figures"][figure]["points"]
    return dict(point)


def missing(document: dict[str, Any]) -> dict[str, str]:
    """The codes of what is not available."""
    return {each["figure"]: each["code"] for each in document["not_available"]}


def column_of(document: dict[str, Any], role: str) -> str | None:
    """The first column of a role."""
    columns: list[str | None] = [
        each["column"] for each in document["mapping"] if each["role"] == role
    ]
    return columns[0]
