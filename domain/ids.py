"""Ids as everybody outside reads and writes them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID


def global_id(type_name: str, key: UUID) -> str:
    """The opaque id, unique among all types, of a row; whoever reads it in a message can use it."""
    text = base64.urlsafe_b64encode(f"{type_name}:".encode() + key.bytes)
    return text.rstrip(b"=").decode()


def global_ids(type_name: str, keys: Sequence[UUID]) -> list[str]:
    """The ids of many rows of one type, as `global_id` makes them, encoded in one go.

    Each is padded with zeros to whole groups of three bytes, so that those of one type have one
    length; what the zeros add is cut off.
    """
    prefix = f"{type_name}:".encode()
    size = len(prefix) + 16
    zeros = b"\0" * (-size % 3)
    text = base64.urlsafe_b64encode(
        b"".join([part for key in keys for part in (prefix, key.bytes, zeros)])
    ).decode()
    whole = (size + len(zeros)) // 3 * 4
    shown = whole - len(zeros)
    return [text[start : start + shown] for start in range(0, len(text), whole)]
