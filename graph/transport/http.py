"""GraphQL over HTTP: one operation a request, answered as JSON or as an event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.errors import DomainError, ErrorCode, InvalidInput
from graph.transport.call import Call, ClientGoneError, RequestRefusedError
from graph.transport.encoding import encoded
from graph.transport.gateway import Gateway
from graph.transport.negotiation import (
    EVENT_STREAM,
    HTML,
    JSON,
    RESPONSE_JSON,
    acceptable,
    is_json,
)
from graph.transport.operation import OperationRequest, OperationResult, refused
from graph.transport.options import TransportOptions
from graph.transport.parameters import from_address, from_body

Page = Callable[[Request], Awaitable[Response]]
Stream = Callable[[Call, OperationRequest], Coroutine[Any, Any, None]]

# Most operations are over before it is worth watching whether their client is still there.
WATCH_AFTER_SECONDS = 0.1

# The statuses of refusals, as GraphQL over HTTP asks; an executed operation is always 200.
STATUSES: Mapping[ErrorCode, int] = {
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.INTERNAL: 500,
    ErrorCode.UNAVAILABLE: 503,
}


class HttpEndpoint:
    """An ASGI application that answers operations over HTTP.

    A browser that opens its address gets ``page``; without a page it answers event streams alone.
    """

    def __init__(
        self,
        gateway: Gateway,
        options: TransportOptions,
        *,
        page: Page | None,
        stream: Stream,
    ) -> None:
        self._gateway = gateway
        self._options = options
        self._page = page
        self._stream = stream
        self._offers: tuple[str, ...] = (JSON, RESPONSE_JSON, EVENT_STREAM)
        if page is None:
            self._offers = (EVENT_STREAM,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        call = Call(scope, receive, send)
        try:
            accepted = self._accepted(call)
            if self._page is not None and accepted[0] == HTML:
                page = await self._page(Request(scope, receive))
                await page(scope, receive, send)
                return
            request = await self._request(call)
            await self._answer(call, request, accepted)
        except RequestRefusedError as refusal:
            result = refused(refusal.error, call.request_id)
            body = encoded(result, call.request_id)
            await call.answer(refusal.status, body, headers=refusal.headers)
        except ClientGoneError:
            return

    def _accepted(self, call: Call) -> tuple[str, ...]:
        offers = self._offers
        if call.method == "GET" and self._page is not None:
            offers = (*offers, HTML)
        accepted = acceptable(call.header(b"accept"), offers)
        if not accepted:
            known = ", ".join(self._offers)
            raise RequestRefusedError(406, InvalidInput(f"An answer can be one of: {known}."))
        return accepted

    async def _request(self, call: Call) -> OperationRequest:
        try:
            if call.method == "POST":
                # A form of another site can send text or form data without asking first, never
                # JSON: so this is the protection against cross-site requests, too.
                if not is_json(call.header(b"content-type")):
                    raise RequestRefusedError(
                        415, InvalidInput("The content type must be application/json in UTF-8.")
                    )
                if call.header(b"content-encoding") not in {"", "identity"}:
                    raise RequestRefusedError(415, InvalidInput("The body must not be compressed."))
                return from_body(await call.body(self._options.body_bytes))
            if call.method == "GET":
                # What a page of any site embeds as an image or script can't be meant as a query.
                if call.header(b"sec-fetch-mode") == "no-cors":
                    raise RequestRefusedError(
                        403, InvalidInput("A page can't embed the answer of a query.")
                    )
                return from_address(call.query_string)
        except DomainError as error:
            raise RequestRefusedError(400, error) from error
        allow = ((b"allow", b"GET, POST"),)
        raise RequestRefusedError(405, InvalidInput("Send a POST, or a GET for a query."), allow)

    async def _answer(
        self, call: Call, request: OperationRequest, accepted: tuple[str, ...]
    ) -> None:
        kind = self._gateway.operation_type(request)
        if kind is OperationType.MUTATION and call.method == "GET":
            allow = ((b"allow", b"POST"),)
            raise RequestRefusedError(405, InvalidInput("A mutation needs a POST."), allow)
        media = accepted[0]
        if kind is OperationType.SUBSCRIPTION:
            if EVENT_STREAM not in accepted:
                raise RequestRefusedError(
                    406,
                    InvalidInput(f"A subscription needs a WebSocket, or to accept {EVENT_STREAM}."),
                )
            media = EVENT_STREAM
        if media == EVENT_STREAM:
            await self._stream(call, request)
            return
        result = await self._execute(call, request)
        if result is not None:
            await answer_result(call, result, media)

    async def _execute(self, call: Call, request: OperationRequest) -> OperationResult | None:
        """Executes an operation; None when its client has gone meanwhile, and it was cut short."""
        loop = asyncio.get_running_loop()
        watcher: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(None) as scope:

                async def cut_short() -> None:
                    await call.gone()
                    scope.reschedule(loop.time())

                def watch() -> None:
                    nonlocal watcher
                    watcher = loop.create_task(cut_short())

                timer = loop.call_later(WATCH_AFTER_SECONDS, watch)
                try:
                    return await self._gateway.execute(
                        request, call.credentials, call.info(streamed=False)
                    )
                finally:
                    timer.cancel()
                    if watcher is not None:
                        watcher.cancel()
        except TimeoutError:
            return None


async def answer_result(call: Call, result: OperationResult, media: str) -> None:
    """Answers with one result, its status by GraphQL over HTTP.

    A refused document is 400 in the media type made for GraphQL, and 200 in plain JSON, which older
    clients would otherwise take for a fault of the network; a refused caller has its own status.
    """
    headers: tuple[tuple[bytes, bytes], ...] = ()
    status = 200
    if result.refusal is not None:
        status = STATUSES.get(result.refusal, 200 if media == JSON else 400)
        if status == STATUSES[ErrorCode.UNAUTHENTICATED]:
            headers = ((b"www-authenticate", b"Bearer"),)
    await call.answer(status, encoded(result, call.request_id), media, headers)
