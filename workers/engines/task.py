"""What a task gets, and the check of it: the parent sends it, its values come from users."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from workers.engines.progress import Progress

FILE_TYPES = ("csv", "tsv", "json", "jsonl", "xml", "excel", "parquet")

# Characters that neither DuckDB's file globs nor its compression by file name read anything into.
FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")

OUTPUT = "output.parquet"


@dataclass(frozen=True, slots=True)
class Request:
    """One task on one file of the working directory."""

    input: Path
    file_type: str
    params: Mapping[str, Any]
    memory_bytes: int
    progress: Progress

    def __post_init__(self) -> None:
        if not FILE_NAME.fullmatch(str(self.input)):
            raise ValueError(f"the input's name is not a plain file name: {self.input}")
        if self.file_type not in FILE_TYPES:
            raise ValueError(f"no such file type: {self.file_type}")
