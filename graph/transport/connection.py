"""One socket that speaks ``graphql-transport-ws``, from its opening to its close."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

from starlette.types import Receive, Send

from domain.errors import DomainError, ErrorCode, InvalidInput, LimitExceeded
from graph.transport.completion import stopped
from graph.transport.encoding import encoded, encoded_errors
from graph.transport.feeds import Following
from graph.transport.frames import SendText
from graph.transport.gateway import Gateway, ResponseStream
from graph.transport.live import Entry
from graph.transport.messages import (
    TAIL,
    CloseCode,
    CloseError,
    Message,
    head_of_next,
    read,
    written,
)
from graph.transport.operation import (
    Admission,
    CredentialCheck,
    Credentials,
    OperationRequest,
    OperationResult,
    RefusedError,
    RequestInfo,
    refused,
)
from graph.transport.options import TransportOptions
from graph.transport.outbox import Outbox
from graph.transport.parameters import from_json, refuse_nul
from graph.transport.streams import at

log = logging.getLogger(__name__)

PING = written("ping")
UNANSWERED_PINGS = 2
REFUSALS = {
    ErrorCode.UNAVAILABLE: CloseCode.UNAVAILABLE,
    ErrorCode.RATE_LIMITED: CloseCode.TOO_MANY_SOCKETS,
}
"""What a refusal of the whole socket closes it with; any other one is 4403."""


class Connection:
    """Reads a client's messages, runs its operations, and sends what they give.

    ``client`` is its address and user agent; ``credentials`` are those of the headers, which
    browsers can't set, so what ``connection_init`` says goes before them. ``send_text`` is how the
    server sends ready bytes at once, where it can.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: TransportOptions,
        check: CredentialCheck,
        credentials: Credentials,
        client: tuple[str | None, str | None],
        receive: Receive,
        send: Send,
        send_text: SendText | None = None,
    ) -> None:
        self._gateway = gateway
        self._options = options
        self._check = check
        self._credentials = credentials
        self._client = client
        self._receive = receive
        self._send = send
        self._send_text = send_text
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(options.outbox_messages, options.outbox_bytes)
        self._ended: asyncio.Future[CloseError] = self._loop.create_future()
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        """Also those that were completed by the client and are still cleaning up."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._admission: Admission | None = None
        self._sending = False
        self._initiated = False
        self._acknowledged = False
        self._unanswered_pings = 0

    async def run(self) -> None:
        """Serves the socket until either side closes it; then all its operations have ended."""
        self._later("init", self._options.init_seconds, self._init_missing)
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            with self._gateway.streams.opened(self._shut_down):
                watched: set[asyncio.Future[Any]] = {reader, writer, self._ended}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            # An operation that is stopped while the reader goes on could be followed by another.
            await stopped(reader, writer)
            await stopped(*self._running)
            if self._admission is not None:
                self._admission.close()
        if self._ended.done():
            await self._close(self._ended.result())

    async def _read(self) -> None:
        try:
            while (event := await self._receive())["type"] != "websocket.disconnect":
                self._unanswered_pings = 0
                await self._handle(read(event.get("text"), self._options.message_bytes))
        except CloseError as close:
            self._end(close.code, close.reason)
        except Exception:
            log.exception("a socket's reader failed")
            self._end(CloseCode.INTERNAL, "Something went wrong on our side.")

    async def _handle(self, message: Message) -> None:
        match message.type:
            case "connection_init":
                await self._initiate(message.payload or {})
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                if (operation := self._operations.pop(message.id, None)) is not None:
                    operation.cancel()
                    self._outbox.drop(operation)
            case "ping":
                await self._outbox.put(written("pong"))

    async def _initiate(self, payload: dict[str, Any]) -> None:
        if self._initiated:
            raise CloseError(CloseCode.TOO_MANY_INITS, "Too many initialisation requests.")
        self._initiated = True
        given = {name.lower(): value for name, value in payload.items()}
        named = [given.get(name) for name in ("authorization", "x-department")]
        if not all(value is None or isinstance(value, str) for value in named):
            raise CloseError(CloseCode.INVALID_MESSAGE, "The credentials must be strings.")
        self._credentials = Credentials(
            named[0] or self._credentials.authorization, named[1] or self._credentials.department
        )
        try:
            self._admission = await self._check(self._credentials, self._client[0], self._revoked)
        except DomainError as error:
            raise CloseError(
                REFUSALS.get(error.code, CloseCode.FORBIDDEN), error.message
            ) from error
        self._timers.pop("init").cancel()
        if (timer := at(self._admission.expires_at, self._expired)) is not None:
            self._timers["expiry"] = timer
        self._later("ping", self._options.ping_seconds, self._ping)
        self._acknowledged = True
        await self._outbox.put(written("connection_ack"))

    async def _subscribe(self, message: Message) -> None:
        if not self._acknowledged:
            raise CloseError(CloseCode.UNAUTHORIZED, "Send connection_init first.")
        if message.id in self._operations:
            reason = f"Subscriber for {message.id} already exists."
            raise CloseError(CloseCode.DUPLICATE_ID, reason)
        info = RequestInfo(str(uuid.uuid4()), *self._client, "websocket")
        try:
            request = from_json(message.payload)
        except InvalidInput as error:
            raise CloseError(CloseCode.INVALID_MESSAGE, error.message) from error
        try:
            if message.may_hold_nul:
                refuse_nul(request)
            self._refuse_too_many()
        except DomainError as error:
            await self._refuse(message.id, refused(error, info.request_id))
            return
        operation = self._loop.create_task(self._operate(message.id, request, info))
        self._operations[message.id] = operation
        self._running.add(operation)
        operation.add_done_callback(self._running.discard)

    async def _operate(self, id_: str, request: OperationRequest, info: RequestInfo) -> None:
        """Runs one operation; a refusal is the last message of it, otherwise ``complete`` is."""
        task = asyncio.current_task()
        try:
            stream = self._gateway.subscribe(request, self._credentials, info)
            refusal = await self._send_results(stream, id_, info.request_id)
        except RefusedError as error:
            refusal = error.result
        finally:
            # Its id is free before its last message is sent, because the client may use it then.
            if self._operations.get(id_) is task:
                del self._operations[id_]
        if refusal is not None:
            await self._refuse(id_, refusal)
        else:
            await self._outbox.put(written("complete", id_), task)

    async def _send_results(
        self, stream: ResponseStream, id_: str, request_id: str
    ) -> OperationResult | None:
        """Sends each result as it comes; gives the refusal that ended the stream, if one did."""
        task = asyncio.current_task()
        async with aclosing(stream) as results:
            async for result in results:
                if isinstance(result, Following):
                    return await result.into(_OperationSink(self, id_, task))
                if result.refusal is not None:
                    return result
                await self._outbox.put(written("next", id_, encoded(result, request_id)), task)
        return None

    def send_now(self, *parts: bytes, sender: object) -> bool:
        """Sends a message at once, unless others wait before it or the client has to read first."""
        if self._send_text is None:
            return self._outbox.offer(b"".join(parts), sender)
        if self._sending or len(self._outbox):
            return False
        return self._send_text(*parts)

    async def send_later(self, *parts: bytes, sender: object) -> None:
        """Sends a message as soon as no other waits for the client."""
        await self._outbox.put_last(b"".join(parts), sender)

    def _refuse_too_many(self) -> None:
        most = self._options.operations_per_socket
        # Those that the client has completed may take a moment to end, but not pile up.
        if len(self._operations) >= most or len(self._running) >= 2 * most:
            raise LimitExceeded(f"A socket runs at most {most} operations at a time.")

    async def _refuse(self, id_: str, refusal: OperationResult) -> None:
        await self._outbox.put(written("error", id_, encoded_errors(refusal)))

    async def _write(self) -> None:
        while True:
            message = await self._outbox.get()
            self._sending = True
            self._later("slow", self._options.slow_reader_seconds, self._reads_nothing)
            try:
                await self._send({"type": "websocket.send", "text": message.decode()})
            except (OSError, RuntimeError):
                # The client has gone, or the server has closed the socket under us.
                return
            self._timers.pop("slow").cancel()
            self._sending = False

    async def _close(self, close: CloseError) -> None:
        # To a client that reads nothing the reason can't get through, unless it reads again soon.
        with suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(self._options.slow_reader_seconds):
                await self._send(
                    {"type": "websocket.close", "code": close.code.value, "reason": close.reason}
                )

    def _later(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(seconds, act)

    def _end(self, code: CloseCode, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(CloseError(code, reason))

    def _init_missing(self) -> None:
        self._end(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout.")

    def _expired(self) -> None:
        self._end(CloseCode.FORBIDDEN, "The access token has expired.")

    def _revoked(self, error: DomainError) -> None:
        self._end(CloseCode.FORBIDDEN, error.message)

    def _reads_nothing(self) -> None:
        self._end(CloseCode.SLOW_READER, "Slow reader: connect again, go on after your cursor.")

    def _shut_down(self) -> None:
        self._end(CloseCode.SHUTDOWN, "The server is shutting down: connect again.")

    def _ping(self) -> None:
        if self._unanswered_pings == UNANSWERED_PINGS:
            self._end(CloseCode.SILENT, "The client answers no ping.")
            return
        self._unanswered_pings += 1
        self._outbox.offer(PING)
        self._later("ping", self._options.ping_seconds, self._ping)


class _OperationSink:
    """Where the entries of one operation go."""

    def __init__(self, connection: Connection, id_: str, sender: object) -> None:
        self._connection = connection
        self._head = head_of_next(id_)
        self._sender = sender

    def offer(self, entry: Entry) -> bool:
        """Sends an entry if that can be done at once."""
        return self._connection.send_now(self._head, entry.payload, TAIL, sender=self._sender)

    async def put(self, entry: Entry) -> None:
        """Sends an entry as soon as there is room for it."""
        await self._connection.send_later(self._head, entry.payload, TAIL, sender=self._sender)
