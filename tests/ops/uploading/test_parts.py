"""Sending parts to a server that behaves as object storage does on a bad day."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from ops.failure import CommandFailed
from ops.uploading import parts
from ops.uploading.parts import AT_ONCE, TRIES, Part, Stale, send_parts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

SIZE = 1000


@dataclass
class Storage:
    """What arrived, by path, and how the next requests are answered: 200 when nothing is said."""

    url: str = ""
    answers: list[int | None] = field(default_factory=list)
    arrived: dict[str, bytes] = field(default_factory=dict)
    requests: int = 0
    inside: int = 0
    most_inside: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            words = head.split("\r\n")
            size = next(
                int(line.split(":")[1])
                for line in words
                if line.lower().startswith("content-length")
            )
            assert "x-signed: yes" in head.lower()
            self.requests += 1
            answer = self.answers.pop(0) if self.answers else 200
            if answer is None:
                # It goes away in the middle of the body.
                await reader.readexactly(min(size, 10))
                return
            body = await reader.readexactly(size)
            await asyncio.sleep(0.02)
            path = words[0].split()[1]
            if answer == 200:
                self.arrived[path] = body
            writer.write(
                f'HTTP/1.1 {answer} X\r\nETag: "{path}"\r\nContent-Length: 4\r\n'
                "Connection: close\r\n\r\nbody".encode()
            )
            await writer.drain()
        finally:
            self.inside -= 1
            writer.close()


@asynccontextmanager
async def storage(*answers: int | None) -> AsyncIterator[Storage]:
    made = Storage(answers=list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(parts, "FIRST_PAUSE_SECONDS", 0.01)
    made = tmp_path / "file"
    made.write_bytes(bytes(range(256)) * 40)
    return made


def part_of(url: str, number: int, size: int = SIZE) -> Part:
    start = (number - 1) * SIZE
    return Part(number, start, size, "PUT", f"{url}/{number}", {"X-Signed": "yes"})


async def send(path: Path, wanted: list[Part], told: Callable[[int], None]) -> dict[int, str]:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await send_parts(http, path, wanted, told)


async def test_sends_each_part_from_its_place_in_the_file_and_a_few_at_once(path: Path) -> None:
    told: list[int] = []
    async with storage() as server:
        wanted = [part_of(server.url, number) for number in range(1, 11)]
        wanted.append(part_of(server.url, 11, 240))
        etags = await send(path, wanted, told.append)
    assert b"".join(server.arrived[f"/{number}"] for number in range(1, 12)) == path.read_bytes()
    assert etags == {number: f'"/{number}"' for number in range(1, 12)}
    assert sum(told) == path.stat().st_size
    assert server.most_inside == AT_ONCE


@pytest.mark.parametrize("fault", [500, 503, 429, 408, None])
async def test_sends_a_part_again_after_a_passing_fault(path: Path, fault: int | None) -> None:
    told: list[int] = []
    async with storage(fault, fault) as server:
        await send(path, [part_of(server.url, 1)], told.append)
    assert server.requests == 3
    assert server.arrived["/1"] == path.read_bytes()[:SIZE]
    assert sum(told) == SIZE


async def test_gives_up_after_some_tries(path: Path) -> None:
    async with storage(*[503] * TRIES) as server:
        with pytest.raises(CommandFailed, match="run the same command again"):
            await send(path, [part_of(server.url, 1)], lambda _size: None)
    assert server.requests == TRIES


@pytest.mark.parametrize("status", [403, 404])
async def test_says_that_addresses_hold_no_longer(path: Path, status: int) -> None:
    async with storage(status) as server:
        with pytest.raises(Stale):
            await send(path, [part_of(server.url, n) for n in range(1, 9)], lambda _size: None)
    assert server.requests < 8


async def test_does_not_repeat_what_the_storage_refuses(path: Path) -> None:
    async with storage(400) as server:
        with pytest.raises(CommandFailed, match=r"refused part 1: HTTP 400\. body"):
            await send(path, [part_of(server.url, 1)], lambda _size: None)
    assert server.requests == 1


async def test_notices_that_the_file_became_shorter(path: Path) -> None:
    async with storage() as server:
        wanted = [part_of(server.url, 1)]
        path.write_bytes(b"less")
        with pytest.raises(CommandFailed, match="shorter"):
            await send(path, wanted, lambda _size: None)
