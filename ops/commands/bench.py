"""`aetherflow bench`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ops.commands.arguments import add_word

if TYPE_CHECKING:
    from ops.commands.arguments import Words

DESCRIPTION = """\
Measures the product on this machine, on servers of its own in a temporary folder, and prints rows
of bench, case, metric, value, unit, reference and ratio. A ratio is the value over the same metric
of the reference, both measured in that run, in turn, several times; values are medians.

  upload   a generated CSV goes in by multipart, through validation and etl; the etl is compared
           with bare DuckDB that writes the same CSV as Parquet
  jobs     from the commit of startJob to the worker's start, compared with bare arq"""

EXAMPLES = """\
  ./aetherflow bench jobs
  ./aetherflow bench upload --size 200MB --json"""


def add_to(words: Words) -> None:
    """Adds the word and the benches below it."""
    parser = add_word(
        words,
        "bench",
        run,
        summary="measure the product on this machine",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    benches = parser.add_subparsers(dest="bench", metavar="NAME", required=True, title="benches")
    upload = add_word(
        benches,
        "upload",
        run,
        summary="a large file through upload, validation and etl",
        description=DESCRIPTION,
    )
    upload.add_argument(
        "--size", type=size, default=10**9, help="the CSV's size (default: 1GB)", metavar="SIZE"
    )
    upload.add_argument(
        "--rounds", type=count, default=3, help="how often etl and DuckDB run (default: 3)"
    )
    jobs = add_word(
        benches,
        "jobs",
        run,
        summary="from startJob to the worker's start",
        description=DESCRIPTION,
    )
    jobs.add_argument(
        "--rounds", type=count, default=30, help="how many jobs are started (default: 30)"
    )
    for bench in (upload, jobs):
        bench.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    from ops.bench.rows import print_rows  # noqa: PLC0415 (loaded by this word alone)

    if arguments.bench == "upload":
        from ops.bench.upload import bench_upload  # noqa: PLC0415 (as above)

        rows = bench_upload(arguments.size, arguments.rounds)
    else:
        from ops.bench.jobs import bench_jobs  # noqa: PLC0415 (as above)

        rows = bench_jobs(arguments.rounds)
    print_rows(rows, as_json=arguments.json)
    return 0


def size(text: str) -> int:
    """Reads a number of bytes, as 1GB, 200MB or 5000000. Raises ArgumentTypeError."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3), ("", 1)):
        number = text.removesuffix(unit)
        if text.endswith(unit) and number.isascii() and number.isdigit() and int(number) > 0:
            return int(number) * factor
    message = f"{text!r} is no size: it is like 1GB, 200MB or 5000000"
    raise argparse.ArgumentTypeError(message)


def count(text: str) -> int:
    """Reads a number of rounds. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{text!r} is no number of rounds: it is 1 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)
