"""The ways in: one caller's operations over HTTP, over a socket, and as event streams."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from websockets.asyncio.client import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    import httpx

    from tests.graph.leaks.questions import Question

WAYS = ("http", "websocket", "sse")
PATIENCE = 20


@dataclass(frozen=True)
class Answer:
    """All that was answered to a question, result after result."""

    question: Question
    results: list[dict[str, Any]]

    @property
    def codes(self) -> set[str]:
        """The codes of its errors."""
        return {
            error["extensions"]["code"]
            for result in self.results
            for error in result.get("errors") or ()
        }


class Caller:
    """Somebody with an access token."""

    def __init__(self, address: str, token: str, client: httpx.AsyncClient) -> None:
        self.address = address
        self.authorization = f"Bearer {token}"
        self._client = client

    async def ask(self, way: str, questions: Sequence[Question]) -> list[Answer]:
        """Asks one question after the other."""
        asked: dict[str, Callable[[Sequence[Question]], Awaitable[list[Answer]]]] = {
            "http": self._over_http,
            "websocket": self._over_websocket,
            "sse": self._over_sse,
        }
        async with asyncio.timeout(len(questions) * 2 + PATIENCE):
            return await asked[way](questions)

    async def _over_http(self, questions: Sequence[Question]) -> list[Answer]:
        answers = []
        for question in questions:
            response = await self._client.post(
                f"http://{self.address}/graphql",
                content=_body(question),
                headers=self._headers("application/json"),
            )
            answers.append(Answer(question, [response.json()]))
        return answers

    async def _over_websocket(self, questions: Sequence[Question]) -> list[Answer]:
        answers = []
        async with self._socket() as socket:
            for question in questions:
                await _subscribe(socket, "one", question)
                results: list[dict[str, Any]] = []
                while (message := orjson.loads(await socket.recv()))["type"] != "complete":
                    if message["type"] == "ping":
                        continue
                    results.append(_result(message))
                    if message["type"] == "error":
                        break
                answers.append(Answer(question, results))
        return answers

    async def _over_sse(self, questions: Sequence[Question]) -> list[Answer]:
        answers = []
        for question in questions:
            results: list[dict[str, Any]] = []
            await self._stream(question, results)
            answers.append(Answer(question, results))
        return answers

    @asynccontextmanager
    async def following(
        self, way: str, questions: Sequence[Question]
    ) -> AsyncIterator[list[Answer]]:
        """Subscribes to all at once; the answers grow as long as the context is open."""
        answers = [Answer(question, []) for question in questions]
        if way == "websocket":
            async with self._socket() as socket:
                for number, answer in enumerate(answers):
                    await _subscribe(socket, str(number), answer.question)
                reader = asyncio.create_task(self._read(socket, answers))
                try:
                    yield answers
                finally:
                    await _ended([reader])
            return
        streams = [
            asyncio.create_task(self._stream(answer.question, answer.results)) for answer in answers
        ]
        try:
            yield answers
        finally:
            await _ended(streams)

    async def _read(self, socket: Any, answers: list[Answer]) -> None:
        async for text in socket:
            message = orjson.loads(text)
            if message["type"] in ("next", "error"):
                answers[int(message["id"])].results.append(_result(message))

    async def _stream(self, question: Question, results: list[dict[str, Any]]) -> None:
        async with self._client.stream(
            "POST",
            f"http://{self.address}/graphql",
            content=_body(question),
            headers=self._headers("text/event-stream"),
        ) as response:
            if not response.headers["content-type"].startswith("text/event-stream"):
                results.append(orjson.loads(await response.aread()))
                return
            kind = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: ") and kind == "next":
                    results.append(orjson.loads(line.removeprefix("data: ")))

    @asynccontextmanager
    async def _socket(self) -> AsyncIterator[Any]:
        address = f"ws://{self.address}/graphql"
        async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
            init = {"type": "connection_init", "payload": {"authorization": self.authorization}}
            await socket.send(orjson.dumps(init).decode())
            assert orjson.loads(await socket.recv())["type"] == "connection_ack"
            yield socket

    def _headers(self, accept: str) -> dict[str, str]:
        return {
            "accept": accept,
            "content-type": "application/json",
            "authorization": self.authorization,
        }


async def _subscribe(socket: Any, id_: str, question: Question) -> None:
    payload = {"query": question.text, "variables": question.variables}
    message = {"type": "subscribe", "id": id_, "payload": payload}
    await socket.send(orjson.dumps(message).decode())


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _body(question: Question) -> bytes:
    return orjson.dumps({"query": question.text, "variables": question.variables})


def _result(message: dict[str, Any]) -> dict[str, Any]:
    payload = message.get("payload")
    return {"errors": payload} if message["type"] == "error" else dict(payload or {})
