from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from workers.engines.duck import connect, identifier, literal


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> duckdb.DuckDBPyConnection:
    job = tmp_path / "job"
    job.mkdir()
    (tmp_path / "beside.csv").write_text("a\n1\n")
    (job / "inside.csv").write_text("a\n1\n")
    monkeypatch.chdir(job)
    return connect(1 << 29, 1)


def test_the_working_directory_is_open(connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.sql("from read_csv('inside.csv')").fetchall() == [(1,)]
    connection.execute("copy (select 1) to 'made.parquet'")
    assert Path("made.parquet").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "from read_csv('/etc/passwd', delim = ':')",
        "select content from read_text('/etc/passwd')",
        "from read_csv('../beside.csv')",
        "from read_csv('inside.csv/../../beside.csv')",
        "from glob('/etc/*')",
        "copy (select 1) to '../made.csv'",
        "attach '../made.db' as made",
        "export database '../made'",
        "from read_csv('http://127.0.0.1:1/x.csv')",
        "from read_parquet('s3://bucket/x.parquet')",
        "install httpfs",
        "load '../x.duckdb_extension'",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set memory_limit = '100GB'",
        "reset lock_configuration",
        "create secret (type s3, key_id 'x', secret 'y')",
    ],
)
def test_everything_else_is_closed(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with pytest.raises(duckdb.Error):
        connection.sql(statement).fetchall()
    assert sorted(path.name for path in Path("..").iterdir()) == ["beside.csv", "job"]


def test_a_link_out_of_the_directory_leads_nowhere(connection: duckdb.DuckDBPyConnection) -> None:
    os.symlink("../beside.csv", "link.csv")  # noqa: PTH211 - relative to the working directory
    with pytest.raises(duckdb.Error):
        connection.sql("from read_csv('link.csv')").fetchall()


def test_names_and_texts_are_written_so_that_they_stay_what_they_are() -> None:
    text, name = "it's; drop --", 'a "b" c'
    row = duckdb.sql(f"select {literal(text)} as {identifier(name)}")
    assert (row.columns, row.fetchall()) == ([name], [(text,)])
