from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ops.bench.graph.load import measured

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n"
BODY = b"0123456789"


def answer(body: bytes = BODY, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def asked(answers: Iterator[list[bytes]], clients: int, seconds: float) -> dict[str, float]:
    """Measures a server that gives these answers, each in these pieces."""

    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in next(answers):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
        except (asyncio.IncompleteReadError, ConnectionError, StopIteration):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            return await measured(port, REQUEST, clients, seconds)
        finally:
            await asyncio.gather(*filter(None, serving))


def always(*pieces: bytes) -> Iterator[list[bytes]]:
    while True:
        yield list(pieces)


async def test_counts_answers_of_all_clients_and_how_long_they_took() -> None:
    told = await asked(always(answer()), 3, 0.2)
    assert told["answers"] > 3
    assert 0.2 <= told["seconds"] < 2
    assert 0.001 <= told["p50"] <= told["p99"] < 1


async def test_every_client_has_one_answer_at_least() -> None:
    told = await asked(always(answer()), 5, 0)
    assert told["answers"] == 5


async def test_an_answer_may_come_in_any_pieces() -> None:
    whole = answer()
    for cut in (1, len(whole) - len(BODY), len(whole) - len(BODY) + 1, len(whole) - 1):
        told = await asked(always(whole[:cut], whole[cut:]), 1, 0.02)
        assert told["answers"] >= 1
        assert told["p50"] >= 0.001


async def test_an_answer_that_is_not_good_fails_the_measurement() -> None:
    for bad in (answer(status="500 No"), answer(b"another length"), answer(b"")):
        with pytest.raises(ConnectionError, match="unlike the others"):
            await asked(iter([[answer()], [bad]]), 1, 5)


async def test_a_server_that_hangs_up_fails_the_measurement() -> None:
    with pytest.raises(ConnectionError, match="closed the connection"):
        await asked(iter([[answer()], [answer()]]), 1, 5)
