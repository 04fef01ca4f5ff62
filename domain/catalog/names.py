"""What names and texts of the catalog may hold."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from domain.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_LENGTH = 255
TEXT_LENGTH = 10_000

_SHA256 = re.compile(r"[0-9a-f]{64}")
_WORD = r"[a-z0-9!#$&^_.+-]+"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}( ?; ?{_WORD}={_WORD})*")


def named(value: str, path: str) -> str:
    """A name as it is kept: without blanks at its ends.

    Raises `InvalidInput` at ``path`` for one that is empty, longer than 255 characters, or holds
    control characters.
    """
    name = value.strip()
    if not name:
        raise InvalidInput.at(path, "A name can't be empty.", "empty")
    if len(name) > NAME_LENGTH:
        message = f"A name has at most {NAME_LENGTH} characters."
        raise InvalidInput.at(path, message, "too_long")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in name):
        message = "A name can't hold control characters."
        raise InvalidInput.at(path, message, "bad_character")
    return name


def described(value: str | None, path: str) -> str | None:
    """A text as it is kept, None where it is empty.

    Raises `InvalidInput` at ``path`` for one that is longer than 10,000 characters or holds control
    characters other than tabs and line ends.
    """
    text = (value or "").strip()
    if len(text) > TEXT_LENGTH:
        message = f"A description has at most {TEXT_LENGTH} characters."
        raise InvalidInput.at(path, message, "too_long")
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n\r" for c in text):
        message = "A description can't hold control characters."
        raise InvalidInput.at(path, message, "bad_character")
    return text or None


def file_named(value: str, path: str) -> str:
    """A file's name without the folders that some clients put before it.

    Raises `InvalidInput` at ``path`` as `named` does, and for what names no file.
    """
    name = named(re.split(r"[/\\]", value.strip())[-1], path)
    if not name.strip("."):
        raise InvalidInput.at(path, "This names no file.", "empty")
    return name


def hash_named(value: str | None, path: str) -> str | None:
    """A SHA-256 in lower-case hexadecimal. Raises `InvalidInput` at ``path`` for anything else."""
    if value is None:
        return None
    digest = value.strip().lower()
    if not _SHA256.fullmatch(digest):
        message = "A SHA-256 is written as 64 hexadecimal digits."
        raise InvalidInput.at(path, message, "not_a_sha256")
    return digest


def media_named(value: str, path: str) -> str:
    """A media type in lower case, as RFC 9110 writes it.

    Raises `InvalidInput` at ``path`` for anything else: it is signed and sent as a header.
    """
    media = value.strip().lower()
    if len(media) > NAME_LENGTH or not _MEDIA_TYPE.fullmatch(media):
        message = "A content type is written as in 'text/csv'."
        raise InvalidInput.at(path, message, "not_a_content_type")
    return media


def texts(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The name and description among changes, as they are kept. Raises `InvalidInput`."""
    values: dict[str, Any] = {}
    if "name" in changes:
        values["name"] = named(changes["name"] or "", "name")
    if "description" in changes:
        values["description"] = described(changes["description"], "description")
    return values
