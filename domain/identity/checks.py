"""The forms that e-mail addresses, names and codes must have before they are stored."""

from __future__ import annotations

import re
import unicodedata

from domain.errors import InvalidInput

LONGEST_NAME = 255
LONGEST_DESCRIPTION = 10_000
LONGEST_CODE = 50

# RFC 5321 4.5.3.1.3 allows 254 characters. Whether an address exists only a letter to it can tell.
_EMAIL = re.compile(r"(?=.{3,254}\Z)[^\s@]+@[^\s@]+")
_CODE = re.compile(r"[a-z][a-z0-9_-]*")


def email_key(email: str) -> str:
    """The form in which an address is stored and compared: trimmed and lower-case."""
    return email.strip().lower()


def checked_email(email: str) -> str:
    """Gives an address in its stored form. Raises `InvalidInput` for what can't be one."""
    key = email_key(email)
    if not _EMAIL.fullmatch(key) or not key.isprintable():
        raise InvalidInput.at("email", "An e-mail address is written like name@example.com.")
    return key


def checked_name(name: str, path: str) -> str:
    """Gives a name without blanks around it. Raises `InvalidInput` at ``path``."""
    trimmed = name.strip()
    if not trimmed or len(trimmed) > LONGEST_NAME:
        raise InvalidInput.at(path, f"A name has 1 to {LONGEST_NAME} characters.", "length")
    return _printable(trimmed, path)


def checked_description(description: str | None) -> str | None:
    """Gives a description, an empty one as None. Raises `InvalidInput`."""
    if description is None or not description.strip():
        return None
    if len(description) > LONGEST_DESCRIPTION:
        message = f"A description has at most {LONGEST_DESCRIPTION} characters."
        raise InvalidInput.at("description", message, "length")
    return _printable(description, "description", allowed="\t\n\r")


def is_code(text: str) -> bool:
    """Whether a text has the form of a department's code."""
    return len(text) <= LONGEST_CODE and _CODE.fullmatch(text) is not None


def checked_code(code: str) -> str:
    """Gives a department's code. Raises `InvalidInput` for what can't be one."""
    if not is_code(code):
        message = (
            f"A code has 1 to {LONGEST_CODE} lower-case letters, digits, hyphens and underscores, "
            "and begins with a letter."
        )
        raise InvalidInput.at("code", message)
    return code


def _printable(text: str, path: str, allowed: str = "") -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in allowed for c in text):
        message = "This text can't hold control characters."
        raise InvalidInput.at(path, message, "bad_character")
    return text
