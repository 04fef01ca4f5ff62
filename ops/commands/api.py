"""`aetherflow api`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.arguments import add_address, add_word

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = """\
Runs one API process with the settings of the environment. It keeps no state: any number of them may
run side by side on the same servers. Its log goes to standard error.

Behind a proxy, set FORWARDED_ALLOW_IPS to the proxy's address: only then is its X-Forwarded-For
believed."""

EXAMPLES = """\
  ./aetherflow api --host 0.0.0.0 --port 8000"""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "api",
        run,
        summary="run one API process, with the settings of the environment",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    add_address(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serves until a signal."""
    from ops.configuration import settings_of_environment  # noqa: PLC0415 (loaded by this word)

    settings = settings_of_environment()
    from ops.api import run_api  # noqa: PLC0415 (it loads for a second)

    run_api(settings, arguments.host, arguments.port)
    return 0
