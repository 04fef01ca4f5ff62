"""The logs of our own processes: one line a record, on standard error."""

from __future__ import annotations

import logging
import sys
import time

FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s"

QUIET = {
    # It tells of every ring, twice.
    "arq": logging.WARNING,
    # They tell of every request, with presigned addresses in it.
    "aiobotocore": logging.WARNING,
    "botocore": logging.WARNING,
    "boto3": logging.WARNING,
    "httpx": logging.WARNING,
}
"""What would say too much: chatter, and what must not be written down."""


def log_to_stderr() -> None:
    """Writes records of level INFO and above with their UTC time; tracebacks follow their line."""
    formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
