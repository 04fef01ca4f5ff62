"""How a word of the command ends when it can't do what it was asked."""

from __future__ import annotations


class CommandFailed(Exception):
    """The message is the sentence that the person who typed the command is shown."""
