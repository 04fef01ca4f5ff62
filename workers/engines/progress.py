"""How far a task is, told to whoever waits for it, but not more often than is of use."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from duckdb import DuckDBPyConnection

LEAST_SECONDS = 0.2
POLL_SECONDS = 0.2


class Progress:
    """Percentages of a task, made of stages that each cover a part of it."""

    def __init__(self, send: Callable[[int, str], None]) -> None:
        """`send` gets a whole percentage 0 to 100, never falling, and the name of the step."""
        self._send = send
        self._stage = ("", 0.0, 0.0)
        self._sent = (-1, "")
        self._at = 0.0

    def stage(self, name: str, start: float, end: float) -> None:
        """Begins a stage that covers the percentages from `start` to `end`; told at once."""
        self._stage = (name, start, end)
        self._tell(start, at_once=True)

    def reach(self, fraction: float) -> None:
        """Says which fraction (0 to 1) of the present stage is done."""
        _, start, end = self._stage
        self._tell(start + (end - start) * min(max(fraction, 0.0), 1.0), at_once=False)

    @contextmanager
    def following(self, connection: DuckDBPyConnection) -> Iterator[None]:
        """Takes the present stage's fraction from DuckDB while statements run inside the block."""
        import duckdb  # noqa: PLC0415 - only tasks that use DuckDB pay for its import

        done = threading.Event()

        def poll() -> None:
            while not done.wait(POLL_SECONDS):
                # DuckDB answers -1 while it has no estimate.
                percentage = duckdb.query_progress(connection=connection)
                if percentage > 0:
                    self.reach(percentage / 100)

        poller = threading.Thread(target=poll, name="progress", daemon=True)
        poller.start()
        try:
            yield
        finally:
            done.set()
            poller.join()

    def _tell(self, percentage: float, *, at_once: bool) -> None:
        whole, name = max(int(percentage), self._sent[0]), self._stage[0]
        now = time.monotonic()
        if (whole, name) == self._sent or (not at_once and now - self._at < LEAST_SECONDS):
            return
        self._sent, self._at = (whole, name), now
        self._send(whole, name)
