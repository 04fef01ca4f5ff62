"""`aetherflow jobs`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from ops.commands.arguments import add_word
from ops.commands.signing import SIGNING, access_of, add_signing
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from ops.client import Client
    from ops.commands.arguments import Words

DESCRIPTION = f"""\
Lists jobs, follows one to its end, cancels one, or does a failed or cancelled one again.

{SIGNING}"""

EXAMPLES = """\
  ./aetherflow jobs list --status processing --as sales@aetherflow.local
  ./aetherflow jobs list --trouble dead --as admin@aetherflow.local
  ./aetherflow jobs follow ID --as sales@aetherflow.local
  ./aetherflow jobs retry ID --as sales@aetherflow.local"""

STATUSES = ("queued", "processing", "succeeded", "failed", "cancelled")
TROUBLES = ("stuck", "dead")
MOST = 100


def add_to(words: Words) -> None:
    """Adds the word and what it does below it."""
    parser = add_word(
        words,
        "jobs",
        run,
        summary="list, follow, cancel and retry jobs",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    deeds = parser.add_subparsers(dest="deed", metavar="WHAT", required=True, title="what to do")
    listing = add_word(
        deeds, "list", run, summary="the newest jobs, and the queue", description=DESCRIPTION
    )
    which = listing.add_mutually_exclusive_group()
    which.add_argument(
        "--status", action="append", choices=STATUSES, help="only jobs that stand there"
    )
    which.add_argument(
        "--trouble",
        choices=TROUBLES,
        help="only jobs whose worker stopped answering (stuck), or that failed for good for a "
        "reason beside their file (dead)",
    )
    listing.add_argument(
        "--limit", type=_limit, default=20, help=f"how many, at most {MOST} (default: 20)"
    )
    for name, summary in (
        ("follow", "what happens to one job, until it ends"),
        ("cancel", "cancel a job that waits, and ask a running one to stop"),
        ("retry", "do a failed or cancelled job again, as a new one"),
    ):
        deed = add_word(deeds, name, run, summary=summary, description=DESCRIPTION)
        deed.add_argument("job", metavar="ID", help="the job's id, as the list shows it")
        add_signing(deed)
    add_signing(listing)


def run(arguments: argparse.Namespace) -> int:
    """Does it. Raises `CommandFailed`."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from ops import jobs  # noqa: PLC0415 (it loads httpx and rich)
    from ops.client import Client  # noqa: PLC0415 (as above)

    access = await access_of(arguments)
    async with Client(arguments.server, access) as client:
        match arguments.deed:
            case "list":
                await jobs.show_list(client, arguments.status, arguments.trouble, arguments.limit)
            case "follow":
                return await _follow(client, arguments.job)
            case "cancel":
                print(await jobs.cancel(client, arguments.job))
            case "retry":
                print(await jobs.retry(client, arguments.job))
    return 0


async def _follow(client: Client, job_id: str) -> int:
    from ops.jobs import follow  # noqa: PLC0415 (as above)

    status = None
    async for line, ended in follow(client, job_id):
        print(line, flush=True)
        status = ended
    if status is None:
        message = "the stream ended before the job did."
        raise CommandFailed(message)
    if status != "SUCCEEDED":
        print(f"aetherflow: the job {status.lower()}.", file=sys.stderr)
    return 0 if status == "SUCCEEDED" else 1


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        message = f"{text!r} is no limit: it is a number from 1 to {MOST}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
