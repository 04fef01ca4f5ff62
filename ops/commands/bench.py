"""`aetherflow bench`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ops.bench.graph.cases import BESIDE, CASES, PAIR
from ops.bench.graph.shapes import NAMES
from ops.commands.arguments import add_word

if TYPE_CHECKING:
    from ops.commands.arguments import Words

DESCRIPTION = """\
Measures the product on this machine, on servers of its own in a temporary folder, and prints rows
of bench, case, metric, value, unit, reference and ratio. A ratio is the value over the same metric
of the reference, both measured in that run, in turn, several times; values are medians.

  upload   a generated CSV goes in by multipart, through validation and etl; the etl is compared
           with bare DuckDB that writes the same CSV as Parquet
  jobs     from the commit of startJob to the worker's start, and how many empty jobs a second one
           worker gets done, both compared with bare arq
  graph    queries over 100,000 datasets with their jobs and results, compared with this server on
           the stock executor, with Strawberry as its documentation teaches to use it, and with
           endpoints that are written by hand, all on one database with row-level security
  operations
           what dashboards ask of a hundred thousand datasets, over HTTP and under row-level
           security, compared with the same SQL by hand"""

GRAPH_DESCRIPTION = f"""\
Loads datasets, jobs and results, and asks in each round, for each case, four servers in turn: this
one; this one on the stock executor; Strawberry as its documentation teaches to use it, with ORM
entities and data loaders; and endpoints that are written by hand with asyncpg and orjson. Each is
one process on uvicorn with the same settings, checks the caller's token, and opens the same scope
for row-level security. Their answers must be equal before anything is measured. Clients have a
process of their own. A case names a shape and how many clients ask at once:

  {", ".join(NAMES)}
           each with /1 and /16
  {BESIDE}    a node is asked for while another client asks for 10,000 rows all along
  {PAIR}   nested-20/16 of two processes on one port, compared with one process

Ratios of requests per second are better above 1, all others below."""

EXAMPLES = """\
  ./aetherflow bench jobs
  ./aetherflow bench upload --size 200MB --json
  ./aetherflow bench graph --cases nested-20/1,nested-20/16"""


LONGEST_SECONDS = 600


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
        summary="from startJob to the worker's start, and empty jobs a second",
        description=DESCRIPTION,
    )
    jobs.add_argument(
        "--rounds", type=count, default=30, help="how many jobs are started (default: 30)"
    )
    jobs.add_argument(
        "--jobs", type=count, default=2000, help="how many empty jobs run (default: 2000)"
    )
    jobs.add_argument(
        "--children", type=count, default=100, help="how many run in a child (default: 100)"
    )
    graph = add_word(
        benches,
        "graph",
        run,
        summary="queries beside other servers on the same rows",
        description=GRAPH_DESCRIPTION,
    )
    graph.add_argument(
        "--cases", type=cases, help="the cases to measure, split by commas (default: all)"
    )
    graph.add_argument(
        "--datasets",
        type=count,
        default=100_000,
        help="how many datasets are loaded, each with three jobs (default: 100000)",
    )
    graph.add_argument(
        "--seconds",
        type=seconds,
        default=1.5,
        help="how long each server is asked in a round of a case (default: 1.5)",
    )
    graph.add_argument(
        "--rounds", type=count, default=3, help="how often each case is measured (default: 3)"
    )
    operations = add_word(
        benches,
        "operations",
        run,
        summary="what dashboards ask, among very many jobs and results",
        description=DESCRIPTION,
    )
    operations.add_argument(
        "--datasets", type=count, default=100_000, help="how many there are (default: 100000)"
    )
    operations.add_argument(
        "--rounds", type=count, default=50, help="how often each is asked (default: 50)"
    )
    for bench in (upload, jobs, graph, operations):
        bench.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Measures and prints."""
    from ops.bench.rows import print_rows  # noqa: PLC0415 (loaded by this word alone)

    if arguments.bench == "upload":
        from ops.bench.upload import bench_upload  # noqa: PLC0415 (as above)

        rows = bench_upload(arguments.size, arguments.rounds)
    elif arguments.bench == "graph":
        from ops.bench.graph.measure import bench_graph  # noqa: PLC0415 (as above)

        rows = bench_graph(
            arguments.cases or CASES, arguments.datasets, arguments.seconds, arguments.rounds
        )
    elif arguments.bench == "operations":
        from ops.bench.operations import bench_operations  # noqa: PLC0415 (as above)

        rows = bench_operations(arguments.datasets, arguments.rounds)
    else:
        from ops.bench.jobs import bench_jobs  # noqa: PLC0415 (as above)

        rows = bench_jobs(arguments.rounds, arguments.jobs, arguments.children)
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
    """Reads a number of rounds or rows. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{text!r} is no such number: it is 1 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def seconds(text: str) -> float:
    """Reads a number of seconds. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= LONGEST_SECONDS:
        message = f"{text!r} is no time: it is more than 0 and at most {LONGEST_SECONDS} seconds"
        raise argparse.ArgumentTypeError(message)
    return value


def cases(text: str) -> tuple[str, ...]:
    """Reads the names of cases, as nested-20/1,viewer/16. Raises ArgumentTypeError."""
    named = tuple(dict.fromkeys(text.split(",")))
    for name in named:
        if name not in CASES:
            message = f"there is no case {name!r}: they are {', '.join(CASES)}"
            raise argparse.ArgumentTypeError(message)
    return named
