"""`aetherflow demo`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ops.commands.arguments import add_address, add_data_dir, add_word

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = """\
Shows the product in about a minute: the users of sales, supply and finance upload a real file each,
all three are checked, cleaned and explained at once, and what each department learns is printed.
Then each asks for what is another's, and gets nothing.

It uses the `aetherflow up` that runs in --data-dir, or starts one and stops it again. What it
brings stays there; a second demo finds it and uploads nothing twice."""

EXAMPLES = """\
  ./aetherflow demo
  ./aetherflow demo --data-dir /tmp/demo --port 8080"""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "demo",
        run,
        summary="show the product with three departments' files",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    add_data_dir(parser)
    add_address(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo. Raises `CommandFailed`."""
    # Loaded by this word alone.
    from rich.console import Console  # noqa: PLC0415

    from ops.demo.run import run_demo  # noqa: PLC0415

    data_dir = arguments.data_dir.resolve()
    try:
        asyncio.run(run_demo(Console(), data_dir, arguments.host, arguments.port))
    except asyncio.CancelledError:
        # It was told to end by another signal than Ctrl-C, and has ended what it had started.
        raise KeyboardInterrupt from None
    return 0
