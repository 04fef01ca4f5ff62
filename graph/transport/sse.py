"""Server-sent events: one stream for one operation, as clients of graphql-sse ask for it.

The protocol is its "distinct connections mode": a ``next`` event for each result, then
``complete``. An ``id`` line carries the cursor of the event, which a browser that lost the stream
sends back as ``Last-Event-ID``. A stream that ends without ``complete`` is to be asked for again.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import Any

from domain.errors import DomainError, Unauthenticated, Unavailable
from graph.transport.call import Call
from graph.transport.completion import stopped
from graph.transport.encoding import cursor_of, encoded
from graph.transport.feeds import Following
from graph.transport.gateway import Gateway, ResponseStream
from graph.transport.http import answer_result
from graph.transport.live import Entry
from graph.transport.negotiation import EVENT_STREAM, JSON
from graph.transport.operation import (
    Admission,
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
            ends = _Ends(call)
            admission = await self._check(call.credentials, call.address, ends.refuse)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is masked and logged)
            await answer_result(call, refused(error, call.request_id), JSON)
            return
        try:
            stream = self._gateway.subscribe(request, call.credentials, call.info(streamed=True))
            await _EventStream(call, stream, ends, self._options).run(self._gateway, admission)
        except RefusedError as refusal:
            await answer_result(call, refusal.result, JSON)
        finally:
            admission.close()


class _Ends:
    """How a stream ends before its operation does: with these last bytes."""

    def __init__(self, call: Call) -> None:
        self._request_id = call.request_id
        self.last: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def end(self, last: bytes) -> None:
        """Ends the stream."""
        if not self.last.done():
            self.last.set_result(last)

    def refuse(self, error: DomainError) -> None:
        """Ends the stream because its caller may no longer have it."""
        self.end(event(refused(error, self._request_id), self._request_id) + COMPLETE)

    def expire(self) -> None:
        """Ends the stream because its token has expired."""
        self.refuse(Unauthenticated("The access token has expired."))


class _EventStream:
    """One open stream: a task runs the operation, one sends, one watches for the client's leave."""

    def __init__(
        self, call: Call, stream: ResponseStream, ends: _Ends, options: TransportOptions
    ) -> None:
        self._call = call
        self._stream = stream
        self._ends = ends
        self._options = options
        self._outbox = Outbox(options.outbox_messages, options.outbox_bytes)

    async def run(self, gateway: Gateway, admission: Admission) -> None:
        """Streams until the operation, its client or this server ends, or the token expires."""
        # The producer takes its first step before anything can stop it, so it closes its stream.
        producer = asyncio.create_task(self._produce())
        writer = asyncio.create_task(self._write())
        watcher = asyncio.create_task(self._call.gone())
        expires: asyncio.TimerHandle | None = None
        try:
            expires = at(admission.expires_at, self._ends.expire)
            with gateway.streams.opened(lambda: self._ends.end(b"")):
                watched: set[asyncio.Future[Any]] = {writer, watcher, self._ends.last}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if expires is not None:
                expires.cancel()
            await stopped(producer, writer, watcher)
        if self._ends.last.done():
            with suppress(TimeoutError):
                await self._send(self._ends.last.result(), more=False)

    async def _produce(self) -> None:
        async with aclosing(self._stream) as results:
            async for result in results:
                if isinstance(result, Following):
                    refusal = await result.into(_EventSink(self._outbox))
                    if refusal is not None:
                        await self._outbox.put(event(refusal, self._call.request_id))
                else:
                    await self._outbox.put(event(result, self._call.request_id))
        await self._outbox.put(COMPLETE)

    async def _write(self) -> None:
        await self._call.start(200, EVENT_STREAM, UNBUFFERED)
        # The status goes out with the first bytes: a client need not wait for an event to know it.
        message = HEARTBEAT
        try:
            await self._send(message, more=True)
            while message is not COMPLETE:
                try:
                    async with asyncio.timeout(self._options.heartbeat_seconds):
                        message = await self._outbox.get()
                except TimeoutError:
                    message = HEARTBEAT
                await self._send(message, more=message is not COMPLETE)
        except TimeoutError:
            log.info("closed an event stream, request %s: slow reader", self._call.request_id)

    async def _send(self, message: bytes, *, more: bool) -> None:
        async with asyncio.timeout(self._options.slow_reader_seconds):
            await self._call.send(
                {"type": "http.response.body", "body": message, "more_body": more}
            )


class _EventSink:
    """Where the entries of a shared stream go."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def offer(self, entry: Entry) -> bool:
        """Hands an entry to the writer if there is room for it."""
        return self._outbox.offer(_event(entry.payload, entry.cursor))

    async def put(self, entry: Entry) -> None:
        """Hands an entry to the writer as soon as it has no other to send."""
        await self._outbox.put_last(_event(entry.payload, entry.cursor))


def event(result: OperationResult, request_id: str) -> bytes:
    """Writes a result as a ``next`` event, with the cursor of what it is about as its id."""
    return _event(encoded(result, request_id), cursor_of(result))


def _event(payload: bytes, cursor: bytes | None) -> bytes:
    name = b"" if cursor is None else b"id: " + cursor + b"\n"
    return b"event: next\n" + name + b"data: " + payload + b"\n\n"
