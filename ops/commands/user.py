"""`aetherflow user`."""

from __future__ import annotations

import asyncio
import getpass
import sys
from typing import TYPE_CHECKING

from ops.commands.arguments import add_data_dir, add_word
from ops.failure import CommandFailed

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = """\
Makes an account. It works as the owner of the database, beside `aetherflow up` or with
AETHERFLOW_OWNER_DATABASE_URL set, so it needs no account that may do it already."""

EXAMPLES = """\
  ./aetherflow user add --email ada@example.com --name 'Ada Lovelace' \\
      --department sales --role editor
  pass show ada | ./aetherflow user add --email ada@example.com --name 'Ada Lovelace' \\
      --department sales --department finance --role manager --password-stdin"""


def add_to(words: Words) -> None:
    """Adds the word and the one below it."""
    parser = add_word(
        words, "user", run, summary="make an account", description=DESCRIPTION, examples=EXAMPLES
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    adding = add_word(
        verbs, "add", run, summary="make an account", description=DESCRIPTION, examples=EXAMPLES
    )
    adding.add_argument("--email", required=True, help="the address to sign in with")
    adding.add_argument("--name", required=True, help="the full name")
    adding.add_argument(
        "--department",
        required=True,
        action="append",
        metavar="CODE",
        help="a department to belong to, by its code; may be given again",
    )
    adding.add_argument(
        "--role",
        required=True,
        action="append",
        metavar="NAME",
        help="a role to have: viewer, technician, editor, manager or admin; may be given again",
    )
    adding.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from the first line of standard input instead of asking for it",
    )
    add_data_dir(adding)


def run(arguments: argparse.Namespace) -> int:
    """Makes the account."""
    from domain.bootstrap import add_user  # noqa: PLC0415 (loaded by this word alone)
    from ops.configuration import owner_url_of, settings_here  # noqa: PLC0415 (as above)

    owner_url = owner_url_of(settings_here(arguments.data_dir))
    password = _password(from_stdin=arguments.password_stdin)
    try:
        asyncio.run(
            add_user(
                owner_url,
                arguments.email,
                arguments.name,
                password,
                arguments.department,
                arguments.role,
            )
        )
    except OSError as error:
        message = f"the database does not answer: {error}."
        raise CommandFailed(message) from error
    print(f"{arguments.email} can sign in now.")
    return 0


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        message = "there is no terminal to ask for the password on: give it with --password-stdin."
        raise CommandFailed(message)
    first = getpass.getpass("Password (8 to 72 bytes): ")
    if getpass.getpass("The same again: ") != first:
        message = "the two were not the same. Nothing was made."
        raise CommandFailed(message)
    return first
