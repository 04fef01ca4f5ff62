"""The rejects file: what was not kept, where it stood, and why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import IO, Any

from workers.engines.encoding import DAMAGED, REPLACEMENT
from workers.engines.limits import MAX_REJECT_CHARACTERS

REJECTS = "rejects.jsonl"
FIRST_LINES = 200
"""Line numbers that the summary carries; the file has all."""

SAMPLE, SAMPLE_CHARACTERS = 20, 200
"""Rejects that the summary shows, and how much of their text."""


class Rejects:
    """The rejects file: one JSON object a line, for each record that is not kept."""

    def __init__(self, directory: Path = Path()) -> None:
        self._path = directory / REJECTS
        self._file: IO[str] | None = None
        self.reasons: Counter[str] = Counter()
        self.first_lines: list[int] = []
        self.sample: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        """How many records were rejected so far."""
        return self.reasons.total()

    def add(self, line: int, reason: str, message: str, text: bytes | str) -> None:
        """Writes one: the physical line it begins in, a code, a sentence, and its text."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8")
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        text = text.rstrip("\r\n").replace(DAMAGED, REPLACEMENT)[:MAX_REJECT_CHARACTERS]
        rejected = {"line": line, "reason": reason, "message": message, "text": text}
        self._file.write(json.dumps(rejected) + "\n")
        self.reasons[reason] += 1
        if len(self.first_lines) < FIRST_LINES:
            self.first_lines.append(line)
        if len(self.sample) < SAMPLE:
            self.sample.append({**rejected, "text": text[:SAMPLE_CHARACTERS]})

    def close(self) -> None:
        """Closes the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def document(self) -> dict[str, Any]:
        """Gives what a validation report says of them."""
        return {
            "rejects": {
                "file": REJECTS if self.count else None,
                "reasons": dict(sorted(self.reasons.items())),
                "first_lines": self.first_lines,
            },
            "rejects_sample": self.sample,
        }
