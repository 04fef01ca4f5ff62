"""The cases of `bench graph` by name, and the servers that each one measures."""

from __future__ import annotations

from ops.bench.graph.shapes import NAMES

OURS = "aetherflow"
PAIR = "two-processes"
STOCK = "stock-executor"
DOCUMENTED = "documented-strawberry"
HAND_WRITTEN = "hand-written"
REFERENCES = (STOCK, DOCUMENTED, HAND_WRITTEN)

CLIENTS = (1, 16)
"""How many clients ask at once; each has a connection of its own and waits for every answer."""

BESIDE = "beside-10000"
"""One client asks for a node while another asks for 10,000 rows again and again."""

CASES = (*(f"{name}/{clients}" for name in NAMES for clients in CLIENTS), BESIDE, PAIR)
