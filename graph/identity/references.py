"""How departments are named in arguments: by code or by id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.identity.checks import is_code
from graph.scalars import key_of

if TYPE_CHECKING:
    from uuid import UUID


def reference(text: str) -> UUID | str:
    """The id or the code that a text is. Raises `NotFound` for an id of something else."""
    # An id begins with a capital letter, and so is never a code.
    return text if is_code(text) else key_of("Department", text)
