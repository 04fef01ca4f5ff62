"""The one place where errors become GraphQL errors.

A `DomainError` is shown with its code; a fault of the document or its variables is the caller's and
becomes ``INVALID_INPUT``; anything else is masked, logged with its request id, and ``INTERNAL``.
"""

from __future__ import annotations

import logging
from typing import Any

from graphql import GraphQLError

from domain.errors import DomainError, ErrorCode

log = logging.getLogger(__name__)

MASKED = "Something went wrong on our side. Report the request id if it persists."


def formatted(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """Gives the response form of one error: message, locations, path and extensions."""
    answer: dict[str, Any] = {"message": error.message}
    if error.locations:
        answer["locations"] = [
            {"line": place.line, "column": place.column} for place in error.locations
        ]
    if error.path:
        answer["path"] = list(error.path)
    cause = error.original_error
    extensions: dict[str, Any] = {"requestId": request_id}
    if isinstance(cause, DomainError):
        answer["message"] = cause.message
        extensions["code"] = cause.code.value
        if cause.fields:
            extensions["fieldErrors"] = [
                {"path": list(field.path), "code": field.code, "message": field.message}
                for field in cause.fields
            ]
    elif cause is None or isinstance(cause, GraphQLError):
        # No Python exception behind it: graphql-core itself refused the document or a value.
        extensions["code"] = (error.extensions or {}).get("code", ErrorCode.INVALID_INPUT.value)
    else:
        log.error("masked an unexpected error, request %s", request_id, exc_info=cause)
        answer["message"] = MASKED
        extensions["code"] = ErrorCode.INTERNAL.value
    answer["extensions"] = extensions
    return answer


def formatted_refusal(error: DomainError, request_id: str) -> dict[str, Any]:
    """Gives the response form of a refusal of the whole request, before any field ran."""
    return formatted(GraphQLError(error.message, original_error=error), request_id)
