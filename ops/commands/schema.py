"""`aetherflow schema`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.arguments import add_word
from ops.failure import CommandFailed

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

FILE = Path(__file__).resolve().parent.parent.parent / "schema.graphql"

SHOWN_LINES = 40

DESCRIPTION = """\
Prints the schema of the graph as text, sorted. The same text lies in schema.graphql, which those
who write queries against the graph read."""

EXAMPLES = """\
  ./aetherflow schema
  ./aetherflow schema --write
  ./aetherflow schema --check"""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "schema",
        run,
        summary="print the graph's schema, or compare it with schema.graphql",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--write", action="store_true", help="write it to schema.graphql")
    choice.add_argument(
        "--check",
        action="store_true",
        help="compare it with schema.graphql; fail if it differs",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints, writes or compares. Raises `CommandFailed` for a difference."""
    from graph.schema import sdl  # noqa: PLC0415 (loaded by this word alone)

    text = sdl()
    if arguments.write:
        FILE.write_text(text)
        print(f"Wrote {FILE}.")
    elif arguments.check:
        _compare(text)
        print(f"{FILE.name} is what the code says.")
    else:
        print(text, end="")
    return 0


def _compare(text: str) -> None:
    committed = FILE.read_text() if FILE.exists() else ""
    if committed == text:
        return
    changes = difflib.unified_diff(
        committed.splitlines(), text.splitlines(), "schema.graphql", "the code", lineterm="", n=1
    )
    lines = list(changes)
    print("\n".join(lines[:SHOWN_LINES]))
    if len(lines) > SHOWN_LINES:
        print(f"… and {len(lines) - SHOWN_LINES} more lines")
    message = (
        f"{FILE.name} is not what the code says. If the change is meant, write it with "
        "`./aetherflow schema --write` and commit the file."
    )
    raise CommandFailed(message)
