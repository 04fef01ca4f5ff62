"""The files of the demo: a real export for each department; ``ATTRIBUTION.md`` says whose."""

from __future__ import annotations

import lzma
from pathlib import Path

FILES = {
    "sales": "sales_online_retail.csv",
    "supply": "supply_dataco_orders.csv",
    "finance": "finance_credit_default.csv",
}
"""By department."""


def unpacked(department: str, folder: Path) -> Path:
    """Writes a department's file into ``folder`` and gives its path."""
    name = FILES[department]
    path = folder / name
    path.write_bytes(lzma.decompress(Path(__file__).with_name(f"{name}.xz").read_bytes()))
    return path
