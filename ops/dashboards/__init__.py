"""What dashboards ask the graph, one query each."""

from __future__ import annotations

from pathlib import Path

QUERIES = {
    "What is processing": "processing",
    "What failed, and why": "failed",
    "The latest results": "latest",
}
"""The questions, and the names of the files with their queries."""


def query(name: str) -> str:
    """The text of one of the queries."""
    return Path(__file__).with_name(f"{name}.graphql").read_text(encoding="utf-8")
