"""Looks for what belongs to others in whatever an answer says, however it is written there."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.graph.leaks.holdings import Holding

HEXADECIMAL = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
PACKED = re.compile(r"[A-Za-z0-9_-]{16,}")


@dataclass(frozen=True)
class Secrets:
    """What must not be told: words that stand in others' texts, and the keys of their rows."""

    marks: tuple[str, ...]
    keys: frozenset[UUID]

    @classmethod
    def of(cls, holdings: Iterable[Holding]) -> Secrets:
        """What these departments would not have told."""
        held = list(holdings)
        keys = frozenset(key for holding in held for key in holding.secret_keys())
        return cls(tuple(holding.mark for holding in held), keys)

    def told(self, answer: Any, given: Iterable[str]) -> list[str]:
        """Which of them an answer tells, beside what the question itself gave."""
        echoes = sorted((text for text in given if text), key=len, reverse=True)
        found: list[str] = []
        for path, text in texts(answer):
            for echo in echoes:
                text = text.replace(echo, "")  # noqa: PLW2901 (each echo is taken out)
            found += [f"{path}: {secret}" for secret in self.within(text)]
        return found

    def keys_in(self, answer: Any) -> set[UUID]:
        """Which of the keys an answer tells."""
        found = {told for _, text in texts(answer) for told in self.within(text)}
        return {UUID(told.removeprefix("key ")) for told in found if told.startswith("key ")}

    def within(self, text: str) -> Iterator[str]:
        """Which of them one text tells, as it is or packed as ids and cursors are."""
        yield from self._plain(text)
        for packed in PACKED.findall(text):
            try:
                raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            except ValueError:
                continue
            yield from self._plain(raw.decode("latin-1"))
            if len(raw) >= 16:
                for key in self.keys:
                    if key.bytes in raw:
                        yield f"key {key}"

    def _plain(self, text: str) -> Iterator[str]:
        lower = text.lower()
        yield from (mark for mark in self.marks if mark in lower)
        for found in HEXADECIMAL.findall(lower):
            if UUID(found) in self.keys:
                yield f"key {found}"


def texts(answer: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of an answer, names of fields included, with its place."""
    if isinstance(answer, str):
        yield path, answer
    elif isinstance(answer, dict):
        for name, value in answer.items():
            yield path, name
            yield from texts(value, f"{path}.{name}")
    elif isinstance(answer, list):
        for place, value in enumerate(answer):
            yield from texts(value, f"{path}[{place}]")
