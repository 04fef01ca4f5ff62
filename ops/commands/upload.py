"""`aetherflow upload`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.arguments import add_word
from ops.commands.signing import SIGNING, access_of, add_signing
from ops.failure import CommandFailed

if TYPE_CHECKING:
    import argparse

    from ops.commands.arguments import Words

DESCRIPTION = f"""\
Uploads a file straight to object storage, follows its validation and its cleaning live, and prints
what became of it. An upload that was interrupted goes on where it stopped when the same command is
given again.

{SIGNING}"""

EXAMPLES = """\
  ./aetherflow upload orders.csv --department sales --as sales@aetherflow.local
  ./aetherflow upload orders.xlsx --department sales --name 'Orders of March' \\
      --server https://data.example.com --email ada@example.com
  AETHERFLOW_TOKEN=… ./aetherflow upload big.parquet --department supply"""


STOPPED = """\
aetherflow: stopped. An upload that was cut off goes on when the same command is given again; jobs
that have begun go on by themselves."""


def add_to(words: Words) -> None:
    """Adds the word."""
    parser = add_word(
        words,
        "upload",
        run,
        summary="upload a file, and follow it to its results",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="the file: csv, tsv, json, jsonl, xml, a spreadsheet or parquet",
    )
    parser.add_argument(
        "--department", required=True, metavar="CODE", help="the department that it is for"
    )
    parser.add_argument("--name", help="the dataset's name (default: the file's)")
    parser.add_argument("--description", help="what the dataset is about")
    parser.add_argument(
        "--workspace",
        metavar="ID",
        help="the id of the workspace to put it in (default: the department's own)",
    )
    add_signing(parser)


def run(arguments: argparse.Namespace) -> int:
    """Uploads and follows. Raises `CommandFailed`."""
    path: Path = arguments.file
    if not path.is_file():
        message = f"there is no file {path}."
        raise CommandFailed(message)
    try:
        return asyncio.run(_upload(arguments, path, path.stat().st_size))
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr, flush=True)
        raise


async def _upload(arguments: argparse.Namespace, path: Path, size: int) -> int:
    # Loaded by this word alone.
    from rich.console import Console  # noqa: PLC0415

    from ops.client import Client  # noqa: PLC0415
    from ops.uploading.file import read_file  # noqa: PLC0415
    from ops.uploading.following import follow_dataset, summary_of  # noqa: PLC0415
    from ops.uploading.sending import Wanted, begin_upload, finish_upload  # noqa: PLC0415
    from ops.uploading.showing import JobsShown, bytes_shown, show_summary  # noqa: PLC0415

    console = Console()
    access = await access_of(arguments)
    with bytes_shown(console, "Reading", size) as told:
        file = await asyncio.to_thread(read_file, path, told)
    wanted = Wanted(
        arguments.department, arguments.name, arguments.description, arguments.workspace
    )
    async with Client(arguments.server, access) as client:
        upload = await begin_upload(client, file, wanted)
        arrived = file.size - upload.missing_bytes
        if arrived:
            console.print("Going on with the upload that was interrupted.")
        with bytes_shown(console, "Uploading", file.size, arrived) as told:
            await finish_upload(client, file, wanted, upload, told)
        console.print(f"The dataset is {upload.dataset_id}.", highlight=False, soft_wrap=True)
        with JobsShown(console) as jobs:
            async for news in follow_dataset(client, upload.dataset_id):
                jobs.show(news)
        if news.status != "SUCCEEDED":
            message = f"{news.job_type} {(news.status or '').lower()}: {news.text}"
            raise CommandFailed(f"{message} ({news.error_code})" if news.error_code else message)
        summary = await summary_of(client, upload.dataset_id)
    if summary is not None:
        show_summary(console, summary)
    console.print(
        f"See it at {client.server}/graphiql: "
        f'{{ dataset(id: "{upload.dataset_id}") {{ results {{ nodes {{ payload }} }} }} }}',
        highlight=False,
        soft_wrap=True,
    )
    return 0
