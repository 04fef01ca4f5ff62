"""The arguments of words that talk to a server: which one, and who signs in."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from typing import TYPE_CHECKING

from ops.commands.arguments import add_data_dir
from ops.failure import CommandFailed

if TYPE_CHECKING:
    import argparse

    from ops.client import Access

TOKEN = "AETHERFLOW_TOKEN"  # noqa: S105 (the name of a variable)

SIGNING = """\
It signs in with --token or AETHERFLOW_TOKEN; or, beside an `aetherflow up`, as the account that
--as names; otherwise with an address and a password, for which it asks."""


def add_signing(parser: argparse.ArgumentParser) -> None:
    """Adds --server and the ways to sign in."""
    parser.add_argument(
        "--server",
        default="http://127.0.0.1:8000",
        metavar="URL",
        help="the server (default: http://127.0.0.1:8000)",
    )
    signing = parser.add_argument_group("signing in")
    signing.add_argument(
        "--token", help="an access token; other users of this machine can see what is given here"
    )
    signing.add_argument(
        "--as",
        dest="account",
        metavar="EMAIL",
        help="an account of the `aetherflow up` that runs here",
    )
    signing.add_argument("--email", help="the address to sign in with")
    signing.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from the first line of standard input instead of asking for it",
    )
    add_data_dir(parser)


async def access_of(arguments: argparse.Namespace) -> Access:
    """Gives what the client signs in with. Raises `CommandFailed` where nothing was given."""
    from ops.access import GivenToken, LocalAccount, Login  # noqa: PLC0415 (it loads httpx)

    token = arguments.token or os.environ.get(TOKEN)
    if arguments.account:
        from ops.configuration import settings_here  # noqa: PLC0415 (only this way needs it)

        return LocalAccount(settings_here(arguments.data_dir), arguments.account)
    if token and not arguments.email:
        return GivenToken(token)
    if arguments.password_stdin:
        if not arguments.email:
            message = "--password-stdin needs --email with it."
            raise CommandFailed(message)
        password = sys.stdin.readline().rstrip("\r\n")
        return await Login.begin(arguments.server, arguments.email, password)
    if not sys.stdin.isatty():
        message = (
            f"nobody is signed in: give --token, {TOKEN}, --as EMAIL, or --email with "
            "--password-stdin."
        )
        raise CommandFailed(message)
    email = arguments.email or await asyncio.to_thread(input, "E-mail: ")
    password = await asyncio.to_thread(getpass.getpass, "Password: ")
    return await Login.begin(arguments.server, email, password)
