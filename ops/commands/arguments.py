"""Arguments that several words have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Words = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (it has no public name)


HIGHEST_PORT = 65535


def add_word(
    words: Words,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: str = "",
) -> argparse.ArgumentParser:
    """Adds a word with its help; ``summary`` stands in the list of words."""
    made = words.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Adds --data-dir, the folder of an `up`."""
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(".aetherflow"),
        metavar="FOLDER",
        help="the folder of `aetherflow up` (default: .aetherflow)",
    )


def add_address(parser: argparse.ArgumentParser) -> None:
    """Adds --host and --port, where the API listens."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (default: 127.0.0.1, this machine alone)",
    )
    parser.add_argument(
        "--port", type=port, default=8000, help="the port to listen on (default: 8000)"
    )


def port(text: str) -> int:
    """Reads a port's number. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= HIGHEST_PORT:
        message = f"{text!r} is no port: it is a number from 1 to {HIGHEST_PORT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
