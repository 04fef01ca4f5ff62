"""What goes wrong with servers that run on this machine."""

from __future__ import annotations


class ServerFailed(Exception):
    """A server can't start or does not answer; the message says what to do about it."""
