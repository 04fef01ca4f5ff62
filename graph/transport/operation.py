"""One operation: what is asked, by whom, what it runs in, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from graphql import GraphQLError

from domain.errors import DomainError, ErrorCode
from graph.errors import formatted, formatted_refusal
from graph.transport.documents import Document


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the caller says of itself, from headers or from a socket's ``connection_init``."""

    authorization: str | None = None
    department: str | None = None
    """The ``X-Department`` that narrows the scope."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Where an operation came from."""

    request_id: str
    address: str | None
    user_agent: str | None
    transport: Literal["http", "websocket", "sse"]
    last_event_id: str | None = None
    """The cursor that a browser's event source resumes after."""


class OperationContext(Protocol):
    """What the transport needs of the context that resolvers see; made fresh for each operation."""

    request_id: str
    failure: BaseException | None
    """Set when a statement failed: the whole operation then fails, masked."""

    def begin(self, document: Document) -> None:
        """Tells what is about to be executed."""

    async def end_event(self) -> None:
        """Ends one event of a subscription: gives its snapshot's connection back.

        The next event gets a fresh snapshot and fresh loaders.
        """

    async def close(self) -> None:
        """Ends the operation: waits for running statements and gives the connection back.

        It may be called again, and does nothing then.
        """


ContextFactory = Callable[[Credentials, RequestInfo], OperationContext]
"""Makes an operation's context; raises a `DomainError` to refuse the caller."""


class Admission(Protocol):
    """What lets a socket or an event stream last."""

    expires_at: datetime | None
    """When its credentials expire, if ever."""

    def close(self) -> None:
        """Says that it has ended."""


CredentialCheck = Callable[
    [Credentials, str | None, Callable[[DomainError], None]], Awaitable[Admission]
]
"""Checks the caller of something that lasts, whose address comes second.

What comes third is called once the credentials hold no longer. Raises a `DomainError` to refuse the
caller.
"""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """The parameters of GraphQL over HTTP, their shapes already checked."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OperationResult:
    """An answer, its errors in their response form and in order."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None
    extensions: dict[str, Any] | None = None
    refusal: ErrorCode | None = None
    """Why no field was executed, or why a subscription ended; None for an executed operation.

    A refusal's response has no ``data``, not even null.
    """

    def payload(self) -> dict[str, Any]:
        """Gives the response as the specification writes it, errors first to be seen first."""
        payload: dict[str, Any] = {}
        if self.errors:
            payload["errors"] = self.errors
        if self.refusal is None:
            payload["data"] = self.data
        if self.extensions:
            payload["extensions"] = self.extensions
        return payload


class RefusedError(Exception):
    """The caller was refused before its operation began."""

    def __init__(self, result: OperationResult) -> None:
        super().__init__(result.refusal)
        self.result = result


def refused(error: Exception, request_id: str) -> OperationResult:
    """Gives the answer for an operation that was refused as a whole; a defect is masked."""
    if isinstance(error, DomainError):
        return OperationResult(errors=[formatted_refusal(error, request_id)], refusal=error.code)
    return refused_with([_unexpected(error)], request_id)


def refused_with(errors: list[GraphQLError], request_id: str) -> OperationResult:
    """Gives the answer for an operation that these errors kept from being executed."""
    shown = _shown(errors, request_id)
    code = shown[0]["extensions"]["code"]
    known = code in ErrorCode.__members__
    return OperationResult(
        errors=shown, refusal=ErrorCode(code) if known else ErrorCode.INVALID_INPUT
    )


def executed(
    data: dict[str, Any] | None, errors: list[GraphQLError] | None, request_id: str
) -> OperationResult:
    """Gives the answer of an executed operation."""
    return OperationResult(data, _shown(errors, request_id) if errors else None)


def failed(failure: BaseException, request_id: str) -> OperationResult:
    """Gives the answer of an operation that a failed statement took down as a whole."""
    return OperationResult(errors=[formatted(_unexpected(failure), request_id)])


def _unexpected(error: BaseException) -> GraphQLError:
    # What is not an Exception, a cancellation for example, can't be a GraphQL error's cause.
    cause = error if isinstance(error, Exception) else RuntimeError(repr(error))
    return GraphQLError(str(error), original_error=cause)


def _shown(errors: list[GraphQLError], request_id: str) -> list[dict[str, Any]]:
    # The specification fixes no order of errors; by path, the same request gets the same answer.
    ordered = sorted(errors, key=_place) if len(errors) > 1 else errors
    return [formatted(error, request_id) for error in ordered]


def _place(error: GraphQLError) -> list[tuple[int, int, str]]:
    return [(0, step, "") if isinstance(step, int) else (1, 0, step) for step in error.path or ()]
