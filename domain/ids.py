"""Ids as everybody outside reads and writes them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


def global_id(type_name: str, key: UUID) -> str:
    """The opaque id, unique among all types, of a row; whoever reads it in a message can use it."""
    text = base64.urlsafe_b64encode(f"{type_name}:".encode() + key.bytes)
    return text.rstrip(b"=").decode()
