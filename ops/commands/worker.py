"""`aetherflow worker`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.arguments import add_word

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = """\
Runs one worker process with the settings of the environment: it takes jobs, runs their work in
sandboxed child processes, and sweeps up after others. Any number of workers may run side by side.
When it is told to stop, it lets its jobs go on for 20 seconds, then hands them to the others. Its
log goes to standard error."""

EXAMPLES = """\
  AETHERFLOW_WORKER_CONCURRENCY=4 ./aetherflow worker"""


def add_to(words: Words) -> None:
    """Adds the word."""
    add_word(
        words,
        "worker",
        run,
        summary="run one worker process, with the settings of the environment",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )


def run(_arguments: argparse.Namespace) -> int:
    """Works until a signal."""
    from ops.configuration import settings_of_environment  # noqa: PLC0415 (loaded by this word)

    settings = settings_of_environment()
    from ops.worker import run_worker  # noqa: PLC0415 (it loads for a second)

    run_worker(settings)
    return 0
