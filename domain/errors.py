"""The errors that callers are expected to meet, each with a stable code.

Anything else that is raised is a defect: it is masked at the edge and answered as ``INTERNAL``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """What went wrong, as a word that a client can act on."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    INVALID_INPUT = "INVALID_INPUT"
    CONFLICT = "CONFLICT"
    DUPLICATE = "DUPLICATE"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one input field; ``path`` is the GraphQL path inside ``input``."""

    path: tuple[str | int, ...]
    code: str
    message: str


class DomainError(Exception):
    """An expected refusal. Its message is shown to the caller, so it holds no secret."""

    code = ErrorCode.INTERNAL

    def __init__(self, message: str, *, fields: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class Unauthenticated(DomainError):
    """Nobody is signed in, or the token, session or account no longer holds."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(DomainError):
    """The caller sees the thing but lacks the permission to do this to it."""

    code = ErrorCode.FORBIDDEN


class NotFound(DomainError):
    """The thing does not exist, or lies outside the caller's departments: both look alike."""

    code = ErrorCode.NOT_FOUND


class InvalidInput(DomainError):
    """The input breaks a rule; ``fields`` says which and where."""

    code = ErrorCode.INVALID_INPUT

    @classmethod
    def at(cls, path: str, message: str, code: str = "invalid") -> InvalidInput:
        """Makes the error for one field, ``path`` being its dotted GraphQL name."""
        return cls(message, fields=(FieldError(tuple(path.split(".")), code, message),))


class Conflict(DomainError):
    """The thing's present state does not allow this."""

    code = ErrorCode.CONFLICT


class Duplicate(DomainError):
    """The same thing exists already."""

    code = ErrorCode.DUPLICATE


class CursorExpired(DomainError):
    """The events after this cursor are no longer kept: start from a fresh snapshot."""

    code = ErrorCode.CURSOR_EXPIRED


class LimitExceeded(DomainError):
    """The request asks for more than one request may."""

    code = ErrorCode.LIMIT_EXCEEDED


class RateLimited(DomainError):
    """The caller asks too often: wait, then try again."""

    code = ErrorCode.RATE_LIMITED


class Unavailable(DomainError):
    """A part that is needed does not answer now: try again later."""

    code = ErrorCode.UNAVAILABLE
