"""The `aetherflow` command: finds the word's own module, and says in a sentence what went wrong."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from domain.errors import DomainError
from ops.commands import api, bench, demo, jobs, migrate, schema, token, up, upload, user, worker
from ops.failure import CommandFailed
from ops.servers.errors import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = "0.1.0"

ABOUT = """\
A data platform for the departments of a business, behind one GraphQL API.

Start everything on this machine with `up`, open the address that it prints, and sign in. The other
words are for scripts, for operators, and for those who run the parts by themselves."""

EXAMPLES = """\
examples:
  ./aetherflow up
  ./aetherflow upload orders.csv --department sales --as sales@aetherflow.local
  ./aetherflow token --email sales@aetherflow.local
  ./aetherflow WORD --help

exit codes: 0 done, 1 not done (a sentence says why), 2 the command was not understood,
130 stopped with Ctrl-C"""

WORDS = (up, demo, upload, jobs, token, user, schema, bench, migrate, api, worker)

INTERRUPTED = 130
"""What shells say of a program that Ctrl-C ended."""


def parser() -> argparse.ArgumentParser:
    """Makes the parser of the whole command."""
    made = argparse.ArgumentParser(
        prog="aetherflow",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"aetherflow {VERSION}")
    words = made.add_subparsers(dest="word", metavar="WORD", required=True, title="words")
    for word in WORDS:
        word.add_to(words)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Does what the words say, those of the command line by default, and gives the exit code."""
    arguments = parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except (CommandFailed, DomainError, ServerFailed) as failed:
        print(f"aetherflow: {failed}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
