"""The messages of ``graphql-transport-ws``, and the codes that its sockets are closed with.

The protocol is the one of the graphql-ws library, whose clients reconnect by themselves after
4403, 4408, 4413, 4430, 4499 and 1012, and give up after 4400, 4401, 4406, 4409 and 4429.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

SUBPROTOCOL = "graphql-transport-ws"
LONGEST_ID = 128


class CloseCode(IntEnum):
    """Why a socket was closed."""

    MESSAGE_TOO_LONG = 1009
    SHUTDOWN = 1012
    """The server goes away: connect again, and go on after the last cursor."""
    UNAVAILABLE = 1013
    INVALID_MESSAGE = 4400
    UNAUTHORIZED = 4401
    """An operation came before the acknowledgement."""
    FORBIDDEN = 4403
    """The credentials were refused, have expired, or were revoked."""
    SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    DUPLICATE_ID = 4409
    SLOW_READER = 4413
    """The client did not read: connect again, and go on after the last cursor."""
    TOO_MANY_INITS = 4429
    TOO_MANY_SOCKETS = 4430
    """The account has as many sockets open as it may: close one, then connect again."""
    SILENT = 4499
    """The client answered no ping."""
    INTERNAL = 4500


class CloseError(Exception):
    """Closes the socket."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        # A close frame has room for 123 bytes.
        self.reason = reason.encode()[:123].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a client; only those of an operation have an id."""

    type: str
    id: str
    payload: dict[str, Any] | None
    may_hold_nul: bool


def read(text: str | None, longest: int) -> Message:
    """Reads a client's message of at most ``longest`` bytes; None is one that is not text.

    Raises `CloseError`: 4400 when the message is not of the protocol, 1009 when it is too long.
    """
    if text is None:
        raise _invalid("Messages are text.")
    if len(text) > longest or (not text.isascii() and len(text.encode()) > longest):
        raise CloseError(CloseCode.MESSAGE_TOO_LONG, f"A message has at most {longest} bytes.")
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _invalid("The message is not JSON.") from error
    if not isinstance(value, dict):
        raise _invalid("The message is not an object.")
    kind = value.get("type")
    payload = value.get("payload")
    id_ = value.get("id", "")
    if kind in {"subscribe", "complete"}:
        if not isinstance(id_, str) or not 0 < len(id_) <= LONGEST_ID:
            raise _invalid(f'"{kind}" needs an id of 1 to {LONGEST_ID} characters.')
    elif kind not in {"connection_init", "ping", "pong"}:
        raise _invalid("The message's type is not one that a client sends.")
    if not (payload is None or isinstance(payload, dict)) and kind != "complete":
        raise _invalid(f'The payload of "{kind}" is not an object.')
    return Message(kind, id_, payload, "\\u0000" in text)


def written(kind: str, id_: str | None = None, payload: bytes | None = None) -> bytes:
    """Writes a message to a client; the payload is JSON already, so that it can be shared."""
    parts = [b'{"type":"%b"' % kind.encode()]
    if id_ is not None:
        parts.append(b'"id":' + orjson.dumps(id_))
    if payload is not None:
        parts.append(b'"payload":' + payload)
    return b",".join(parts) + b"}"


def head_of_next(id_: str) -> bytes:
    """What stands before the payload of an operation's ``next`` message; `TAIL` comes after it."""
    return b'{"type":"next","id":' + orjson.dumps(id_) + b',"payload":'


TAIL = b"}"


def _invalid(reason: str) -> CloseError:
    return CloseError(CloseCode.INVALID_MESSAGE, reason)
