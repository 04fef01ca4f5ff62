"""Server-sent events: one stream for one operation, as clients of graphql-sse ask for it.

The protocol is its "distinct connections mode": a ``next`` event for each result, then
``complete``. An ``id`` line carries the cursor of the event, which a browser that lost the stream
sends back as ``Last-Event-ID``. A stream that ends without ``complete`` is to be asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any

from domain.errors import Unauthenticated, Unavailable
from graph.transport.call import Call
from graph.transport.completion import stopped
from graph.transport.encoding import encoded
from graph.transport.gateway import Gateway, ResponseStream
from graph.transport.http import answer_result
from graph.transport.negotiation import EVENT_STREAM, JSON
from graph.transport.operation import (
    CredentialCheck,
    OperationRequest,
    OperationResult,
    RefusedError,
    refused,
)
from graph.transport.options import TransportOptions
from graph.transport.outbox import Outbox
from graph.transport.streams import at

log = logging.getLogger(__name__)

HEARTBEAT = b":\n\n"
# Without the empty data a browser's EventSource would not deliver the event.
COMPLETE = b"event: complete\ndata:\n\n"
UNBUFFERED = ((b"x-accel-buffering", b"no"),)
# A cursor is opaque, but its line must stay one line.
CURSOR = re.compile(r"[!-~]{1,200}")


class EventStreams:
    """Answers requests with event streams."""

    def __init__(self, gateway: Gateway, options: TransportOptions, check: CredentialCheck) -> None:
        self._gateway = gateway
        self._options = options
        self._check = check

    async def __call__(self, call: Call, request: OperationRequest) -> None:
        """Runs an operation and streams its results until it ends, or its client has gone."""
        try:
            if self._gateway.streams.closing:
                raise Unavailable("This server is shutting down: ask again.")  # noqa: TRY301 (caught and answered below, as what the check raises is)
            expiry = await self._check(call.credentials)
            stream = self._gateway.subscribe(request, call.credentials, call.info(streamed=True))
        except RefusedError as refusal:
            await answer_result(call, refusal.result, JSON)
            return
        except Exception as error:  # noqa: BLE001 (whatever it is, it is masked and logged)
            await answer_result(call, refused(error, call.request_id), JSON)
            return
        await _EventStream(call, stream, self._options).run(self._gateway, expiry)


class _EventStream:
    """One open stream: a task runs the operation, one sends, one watches for the client's leave."""

    def __init__(self, call: Call, stream: ResponseStream, options: TransportOptions) -> None:
        self._call = call
        self._stream = stream
        self._options = options
        self._outbox: Outbox[bytes] = Outbox(options.outbox_messages, options.outbox_bytes)
        self._ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def run(self, gateway: Gateway, expiry: datetime | None) -> None:
        """Streams until the operation, its client or this server ends, or the token expires."""
        # The producer takes its first step before anything can stop it, so it closes its stream.
        producer = asyncio.create_task(self._produce())
        writer = asyncio.create_task(self._write())
        watcher = asyncio.create_task(self._call.gone())
        expires: asyncio.TimerHandle | None = None
        try:
            expires = at(expiry, self._expire)
            with gateway.streams.opened(lambda: self._end(b"")):
                watched: set[asyncio.Future[Any]] = {writer, watcher, self._ended}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if expires is not None:
                expires.cancel()
            await stopped(producer, writer, watcher)
        if self._ended.done():
            with suppress(TimeoutError):
                await self._send(self._ended.result(), more=False)

    def _end(self, last: bytes) -> None:
        if not self._ended.done():
            self._ended.set_result(last)

    def _expire(self) -> None:
        error = Unauthenticated("The access token has expired.")
        self._end(event(refused(error, self._call.request_id), self._call.request_id) + COMPLETE)

    async def _produce(self) -> None:
        async with aclosing(self._stream) as results:
            async for result in results:
                await self._outbox.put(event(result, self._call.request_id))
        await self._outbox.put(COMPLETE)

    async def _write(self) -> None:
        await self._call.start(200, EVENT_STREAM, UNBUFFERED)
        message = HEARTBEAT
        while message is not COMPLETE:
            try:
                async with asyncio.timeout(self._options.heartbeat_seconds):
                    message = await self._outbox.get()
            except TimeoutError:
                message = HEARTBEAT
            try:
                await self._send(message, more=message is not COMPLETE)
            except TimeoutError:
                log.info("closed an event stream, request %s: slow reader", self._call.request_id)
                return

    async def _send(self, message: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self._options.slow_reader_seconds):
            await self._call.send(
                {"type": "http.response.body", "body": message, "more_body": more}
            )


def event(result: OperationResult, request_id: str) -> bytes:
    """Writes a result as a ``next`` event, with the cursor of what it is about as its id."""
    name = b"event: next\n"
    if (cursor := _cursor(result)) is not None:
        name += b"id: " + cursor + b"\n"
    return name + b"data: " + encoded(result, request_id) + b"\n\n"


def _cursor(result: OperationResult) -> bytes | None:
    for payload in (result.data or {}).values():
        cursor = payload.get("cursor") if isinstance(payload, dict) else None
        if isinstance(cursor, str) and CURSOR.fullmatch(cursor):
            return cursor.encode()
        break
    return None
