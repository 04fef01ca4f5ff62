"""Lets ``python -m ops`` be the `aetherflow` command."""

from __future__ import annotations

import sys

from ops.cli import main

sys.exit(main())
