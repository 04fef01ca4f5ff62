"""Results as JSON bytes; orjson writes datetimes and UUIDs by itself."""

from __future__ import annotations

import re
import time

import orjson
from graphql import GraphQLError

from graph.errors import formatted
from graph.transport.live import Entry
from graph.transport.operation import OperationResult

# A cursor is opaque, but in an event stream its line must stay one line.
CURSOR = re.compile(r"[!-~]{1,200}")


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


def encoded_entry(result: OperationResult, request_id: str, place: int) -> Entry:
    """Encodes what one event gave, once for all who get it."""
    return Entry(place, encoded(result, request_id), cursor_of(result), time.monotonic())


def cursor_of(result: OperationResult) -> bytes | None:
    """The cursor of the event that a result is about, where its operation selects it."""
    for payload in (result.data or {}).values():
        cursor = payload.get("cursor") if isinstance(payload, dict) else None
        if isinstance(cursor, str) and CURSOR.fullmatch(cursor):
            return cursor.encode()
        break
    return None
