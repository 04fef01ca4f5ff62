"""`./aetherflow soak chaos`: one long run of faults, its figures, and whether all was kept."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from tests.chaos.run import FULL, SHORT, run_chaos


def main() -> int:
    """Runs a seed, prints what was found, and gives 1 when anything is to complain of."""
    parser = argparse.ArgumentParser(prog="aetherflow soak chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what the plan is made from")
    parser.add_argument("--short", action="store_true", help="the plan of the ordinary tests")
    parser.add_argument("--keep", action="store_true", help="leave the data and the logs there")
    given = parser.parse_args()
    began = time.monotonic()
    plan = SHORT if given.short else FULL
    verdict = asyncio.run(run_chaos(given.seed, plan, say, keep=given.keep))
    for name, value in verdict.figures.items():
        print(f"  {name}: {json.dumps(value)}")
    for complaint in verdict.complaints:
        print(f"COMPLAINT {complaint}")
    print(
        f"seed {given.seed}: {len(verdict.complaints)} complaints, {time.monotonic() - began:.0f} s"
    )
    return 1 if verdict.complaints else 0


def say(text: str) -> None:
    """Prints a line about what happens."""
    print(f"chaos: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
