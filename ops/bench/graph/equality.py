"""Whether all servers give one answer, asked once for each shape before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import orjson

from ops.bench.graph.serve import HOST
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.bench.graph.servers import Server
    from ops.bench.graph.shapes import Shape

SHOWN = 300


def require_equal(shape: Shape, servers: Sequence[Server], token: str) -> None:
    """Asks every server, and compares the values of their JSON, the order of keys included.

    Raises CommandFailed for an answer that is not 200, has errors, or is unlike the first server's.
    """
    first, *others = servers
    expected = _answer(first, shape, token)
    for other in others:
        answer = _answer(other, shape, token)
        if answer != expected:
            place = next(
                (i for i, (a, b) in enumerate(zip(expected, answer, strict=False)) if a != b),
                min(len(expected), len(answer)),
            )
            start = max(place - SHOWN // 2, 0)
            message = (
                f"{other.name} answers {shape.name} unlike {first.name}, at byte {place}:\n"
                f"  {_shown(answer, start)}\n  {_shown(expected, start)}"
            )
            raise CommandFailed(message)


def _shown(answer: bytes, start: int) -> str:
    return answer[start : start + SHOWN].decode(errors="replace")


def _answer(server: Server, shape: Shape, token: str) -> bytes:
    """The answer's JSON, written in one way."""
    head, _, body = server.request(shape, token).partition("\r\n\r\n")
    line, *lines = head.split("\r\n")
    method, path, _ = line.split(" ")
    headers = dict(each.split(": ", 1) for each in lines)
    response = httpx.request(
        method,
        f"http://{HOST}:{server.port}{path}",
        headers=headers,
        content=body.encode(),
        timeout=60,
        trust_env=False,
    )
    if response.status_code != httpx.codes.OK:
        message = f"{server.name} answers {shape.name} with {response.status_code}: {response.text}"
        raise CommandFailed(message)
    answer = orjson.loads(response.content)
    if "errors" in answer or not all((answer.get("data") or {"": None}).values()):
        message = f"{server.name} can't answer {shape.name}: {response.text[:SHOWN]}"
        raise CommandFailed(message)
    return orjson.dumps(answer)
