"""`aetherflow bench`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ops.bench.graph.cases import BESIDE, CASES, PAIR
from ops.bench.graph.shapes import NAMES
from ops.commands.arguments import add_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.commands.arguments import Words

LONGEST_SECONDS = 600
"""How long one measurement may last: a slip of the key would otherwise take days."""

DESCRIPTION = """\
Measures the product on this machine, on servers of its own in a temporary folder, and prints rows
of bench, case, metric, value, unit, reference and ratio. A ratio is the value over the same metric
of the reference, both measured in that run, in turn, several times; values are medians."""

EXAMPLES = """\
  ./aetherflow bench jobs
  ./aetherflow bench upload --size 200MB --json
  ./aetherflow bench graph --cases nested-20/1,nested-20/16"""

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


@dataclass(frozen=True)
class Option:
    """An option of a bench, and the argument of its function that it gives."""

    name: str
    read: Callable[[str], Any]
    default: Any
    help: str


@dataclass(frozen=True)
class Bench:
    """A bench: the function ``bench_{name}`` of ``module``, with its options as arguments."""

    name: str
    module: str
    summary: str
    description: str
    options: tuple[Option, ...]


BENCHES = (
    Bench(
        "upload",
        "ops.bench.upload",
        "a large file through upload, validation and etl",
        "A generated CSV goes in by multipart, through validation and etl; the etl is compared\n"
        "with bare DuckDB that writes the same CSV as Parquet.",
        (
            Option("size", size, 10**9, "the CSV's size (default: 1GB)"),
            Option("rounds", count, 3, "how often etl and DuckDB run (default: 3)"),
        ),
    ),
    Bench(
        "jobs",
        "ops.bench.jobs",
        "from startJob to the worker's start, and how many get done",
        "From the commit of startJob to the worker's start, and how many empty jobs a second one\n"
        "worker gets done, both compared with bare arq.",
        (
            Option("rounds", count, 30, "how many jobs are started (default: 30)"),
            Option("jobs", count, 2000, "how many empty jobs run (default: 2000)"),
            Option("children", count, 100, "how many run in a child (default: 100)"),
        ),
    ),
    Bench(
        "graph",
        "ops.bench.graph.measure",
        "queries beside other servers on the same rows",
        GRAPH_DESCRIPTION,
        (
            Option("cases", cases, CASES, "the cases to measure, split by commas (default: all)"),
            Option("datasets", count, 100_000, "how many, each with three jobs (default: 100000)"),
            Option("seconds", seconds, 1.5, "how long each is asked in a round (default: 1.5)"),
            Option("rounds", count, 3, "how often each case is measured (default: 3)"),
        ),
    ),
    Bench(
        "operations",
        "ops.bench.operations",
        "what dashboards ask, among very many jobs and results",
        "What dashboards ask of a hundred thousand datasets, over HTTP and under row-level\n"
        "security, compared with the same SQL by hand.",
        (
            Option("datasets", count, 100_000, "how many there are (default: 100000)"),
            Option("rounds", count, 50, "how often each is asked (default: 50)"),
        ),
    ),
    Bench(
        "stream",
        "ops.bench.stream",
        "events to many sockets",
        "Events to many sockets that follow one department, compared with uvicorn sending ready\n"
        "text and with Strawberry as it comes; then to more, a tenth of which don't read.",
        (
            Option("sockets", count, 1000, "compared with others (default: 1000)"),
            Option("crowd", count, 5000, "a tenth of which don't read (default: 5000)"),
            Option("rounds", count, 3, "how often each is measured (default: 3)"),
        ),
    ),
)


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
    below = parser.add_subparsers(dest="bench", metavar="NAME", required=True, title="benches")
    for bench in BENCHES:
        word = add_word(
            below, bench.name, run, summary=bench.summary, description=bench.description
        )
        for each in bench.options:
            word.add_argument(
                f"--{each.name}",
                type=each.read,
                default=each.default,
                help=each.help,
                metavar=each.name.upper(),
            )
        word.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Runs a bench and prints its rows."""
    # A bench imports the whole product, which no other word should wait for.
    from ops.bench.rows import print_rows  # noqa: PLC0415 (as above)

    bench = next(each for each in BENCHES if each.name == arguments.bench)
    measured = getattr(import_module(bench.module), f"bench_{bench.name}")
    rows = measured(**{each.name: getattr(arguments, each.name) for each in bench.options})
    print_rows(rows, as_json=arguments.json)
    return 0
