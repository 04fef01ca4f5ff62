"""Sends the parts of an upload straight to object storage, several at a time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx

from ops.failure import CommandFailed
from ops.uploading.file import pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ops.uploading.file import Told

AT_ONCE = 3
TRIES = 5
FIRST_PAUSE_SECONDS = 0.5

SILENT_SECONDS = 120
"""How long the storage may take over one piece, or over its answer."""

PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may work a moment later."""

STALE = frozenset({403, 404})
"""Statuses of an address that has run out, or of an upload that the storage has forgotten."""


class Stale(Exception):
    """The addresses hold no longer: ask the server for new ones."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part, and the request that sends it; ``start`` is its place in the file, in bytes."""

    number: int
    start: int
    size: int
    method: str
    url: str
    headers: Mapping[str, str]

    @classmethod
    def read(cls, answered: Mapping[str, Any], part_bytes: int) -> Self:
        """Reads a part as the server answered it; all but the last have ``part_bytes``."""
        number = int(answered["number"])
        return cls(
            number,
            (number - 1) * part_bytes,
            int(answered["sizeBytes"]),
            answered["method"],
            answered["url"],
            {header["name"]: header["value"] for header in answered["headers"]},
        )


async def send_parts(
    http: httpx.AsyncClient, path: Path, parts: Iterable[Part], told: Told
) -> dict[int, str]:
    """Sends parts of a file and gives their ETags by number; ``told`` hears of each piece.

    What a failed try had sent is told of as negative. Raises `Stale` when the addresses hold no
    longer, and `CommandFailed` when a part can't be sent or the storage refuses it.
    """
    waiting = iter(parts)
    etags: dict[int, str] = {}

    async def send_some() -> None:
        for part in waiting:
            etags[part.number] = await _send(http, path, part, told)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(send_some())
    except* Stale as stale:
        raise Stale from stale
    except* CommandFailed as failed:
        raise failed.exceptions[0] from None
    return etags


async def _send(http: httpx.AsyncClient, path: Path, part: Part, told: Told) -> str:
    fault = ""
    for attempt in range(TRIES):
        if attempt:
            pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 (spreads load)
        sent = _Sent(told)
        try:
            answer = await http.request(
                part.method,
                part.url,
                headers={**part.headers, "content-length": str(part.size)},
                content=pieces(path, part.start, part.size, sent.count),
                timeout=SILENT_SECONDS,
            )
        except httpx.TransportError as error:
            fault = str(error) or type(error).__name__
            sent.take_back()
            continue
        if answer.is_success:
            return str(answer.headers.get("etag", ""))
        sent.take_back()
        if answer.status_code in STALE:
            raise Stale
        fault = f"HTTP {answer.status_code}"
        if answer.status_code not in PASSING:
            message = f"the object storage refused part {part.number}: {fault}. {answer.text[:300]}"
            raise CommandFailed(message)
    message = (
        f"part {part.number} could not be sent in {TRIES} tries ({fault}). What has arrived is "
        "kept: run the same command again to go on."
    )
    raise CommandFailed(message)


class _Sent:
    """Counts what one try has sent, so that a failed one can be taken back."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._bytes = 0

    def count(self, size: int) -> None:
        self._bytes += size
        self._told(size)

    def take_back(self) -> None:
        self._told(-self._bytes)
