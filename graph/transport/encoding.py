"""Results as JSON bytes; orjson writes datetimes and UUIDs by itself."""

from __future__ import annotations

import orjson
from graphql import GraphQLError

from graph.errors import formatted
from graph.transport.operation import OperationResult


def encoded(result: OperationResult, request_id: str) -> bytes:
    """Encodes a response; one that holds what JSON can't is masked, as any defect is."""
    try:
        return orjson.dumps(result.payload())
    except TypeError as error:
        fault = GraphQLError("the response can't be encoded", original_error=error)
        return orjson.dumps({"errors": [formatted(fault, request_id)], "data": None})


def encoded_errors(result: OperationResult) -> bytes:
    """Encodes the errors of a refusal, which a socket's ``error`` message carries alone."""
    return orjson.dumps(result.errors)
