"""An API process whose clients may also start the light jobs of `tests.chaos.worker`."""

from __future__ import annotations

import sys

from domain.jobs import actions
from domain.jobs.models import JobType
from domain.settings import Settings
from ops.api import run_api

if __name__ == "__main__":
    actions.STARTABLE |= {JobType.CONVERSION}
    run_api(Settings(), "127.0.0.1", int(sys.argv[1]))
