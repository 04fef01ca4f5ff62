"""What a child is told and what it answers: JSON lines, which need not be well-formed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINE_BYTES = 32 << 20
MAX_STDERR_BYTES = 64 << 10


@dataclass(slots=True)
class Answer:
    """How a child ended: with a result, with an error of its own, or with neither."""

    result: dict[str, Any] | None
    error: dict[str, Any] | None
    stderr: bytes


async def converse(
    child: asyncio.subprocess.Process,
    order: dict[str, Any],
    on_progress: Callable[[int, str], None],
) -> Answer:
    """Sends the order, and listens until the child ends."""
    stdin, stdout, stderr = child.stdin, child.stdout, child.stderr
    if stdin is None or stdout is None or stderr is None:
        raise RuntimeError("the child has no pipes")
    complaints = asyncio.create_task(_tail(stderr))
    answer = Answer(None, None, b"")
    try:
        with suppress(ConnectionError):  # It ended before it listened: how, is told by its end.
            stdin.write(json.dumps(order).encode() + b"\n")
            await stdin.drain()
        while line := await _line(stdout):
            told = _parsed(line)
            if "progress" in told:
                on_progress(
                    min(max(int(told["progress"]), 0), 100), str(told.get("step", ""))[:200]
                )
            elif isinstance(told.get("result"), dict):
                answer.result = told["result"]
                break
            elif isinstance(told.get("error"), dict):
                answer.error = told["error"]
                break
        await child.wait()
        answer.stderr = await complaints
    finally:
        complaints.cancel()
    return answer


async def _line(stdout: asyncio.StreamReader) -> bytes:
    try:
        return await stdout.readline()
    except ValueError:
        return b""  # Longer than any honest answer.


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
        return {**told, "progress": int(told["progress"])} if "progress" in told else dict(told)
    except (ValueError, TypeError):
        return {}  # What a child says that was taken over is not to break its parent.


async def _tail(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while chunk := await stream.read(1 << 16):
        kept = (kept + chunk)[-MAX_STDERR_BYTES:]
    return kept
