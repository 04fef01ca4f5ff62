"""Scalars beyond the standard ones, and the opaque ids of nodes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NewType
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from domain.errors import NotFound
from domain.ids import global_id, global_ids
from graph.executor.leaves import Safe, unchanged, within

LARGEST = 2**53 - 1

BigInt = NewType("BigInt", int)
Json = NewType("Json", object)


def _big_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
        message = f"BigInt is a whole number between -{LARGEST} and {LARGEST}."
        raise GraphQLError(message)
    return value


def _moment(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        message = "DateTime is written as in ISO 8601, with its offset: 2026-01-31T09:30:00Z."
        raise GraphQLError(message)
    return moment


def _defined(name: str, description: str, serialize: Any, parse: Any) -> ScalarDefinition:
    return ScalarDefinition(
        name=name,
        description=description,
        specified_by_url=None,
        serialize=serialize,
        parse_value=parse,
        parse_literal=None,
        origin=None,
    )


SCALARS: dict[object, ScalarDefinition] = {
    BigInt: _defined(
        "BigInt",
        "A whole number up to 2^53 - 1, written as a number; counts of rows and of bytes.",
        Safe(_big_int, {int}, within(-LARGEST, LARGEST)),
        _big_int,
    ),
    Json: _defined("JSON", "Any JSON value.", unchanged, unchanged),
    datetime: _defined(
        "DateTime", "A moment as ISO 8601 writes it, with its offset from UTC.", unchanged, _moment
    ),
    Decimal: _defined("Decimal", "An exact decimal number, written as a string.", str, Decimal),
}


def encoded_id(type_name: str, key: UUID) -> strawberry.ID:
    """The opaque global id of a node."""
    return strawberry.ID(global_id(type_name, key))


def encoded_ids(type_name: str, keys: Sequence[UUID]) -> list[str]:
    """The opaque global ids of nodes of one type."""
    return global_ids(type_name, keys)


def decoded_id(text: str) -> tuple[str, UUID]:
    """The type and key of a global id.

    Raises `NotFound` for anything else, as an id that nobody made names nothing.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        type_name, key = raw.split(b":", 1)
        return type_name.decode(), UUID(bytes=key)
    except ValueError:
        message = "There is nothing with this id."
        raise NotFound(message) from None


def key_of(type_name: str, text: str) -> UUID:
    """The key of a global id that must be of one type. Raises `NotFound`."""
    found, key = decoded_id(text)
    if found != type_name:
        message = f"There is no such {type_name.lower()}."
        raise NotFound(message)
    return key


def given_key(type_name: str, text: str | None) -> UUID | None:
    """The key of a global id that may be left out. Raises `NotFound`, for an empty text too."""
    return None if text is None else key_of(type_name, text)
