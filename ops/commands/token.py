"""`aetherflow token`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ops.commands.arguments import add_data_dir, add_word

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = """\
Prints an access token for an account, for scripts on the machine that AetherFlow runs on. It needs
the secret key and the database, so it works beside `aetherflow up` or with the same variables as an
API process, and asks for no password. The token lasts as long as one of a login."""

EXAMPLES = """\
  TOKEN=$(./aetherflow token --email sales@aetherflow.local)
  curl -s http://127.0.0.1:8000/graphql -H "Authorization: Bearer $TOKEN" \\
       -H 'Content-Type: application/json' -d '{"query": "{ viewer { user { email } } }"}'"""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "token",
        run,
        summary="print an access token for an account",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("--email", required=True, help="the account's address")
    add_data_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints the token."""
    from domain.bootstrap import issue_token  # noqa: PLC0415 (loaded by this word alone)
    from ops.configuration import settings_here  # noqa: PLC0415 (as above)

    print(asyncio.run(issue_token(settings_here(arguments.data_dir), arguments.email)))
    return 0
