"""Three departments' progress side by side: panels on a terminal, lines elsewhere."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Self

from rich.columns import Columns
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from ops.demo.charts import meter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from ops.uploading.following import News

TITLES = {
    "upload": "Uploading",
    "validation": "Validating",
    "etl": "Cleaning",
    "ml_inference": "Explaining",
}
PANEL_WIDTH = 26
"""Three of them fit into a terminal of 80 columns."""

INNER_WIDTH = PANEL_WIDTH - 4
METER_WIDTH = 6
TEXT_LINES = 3


class SideBySide:
    """Shows how far each department's file is; use it as a context."""

    def __init__(self, console: Console, departments: Sequence[str]) -> None:
        self._console = console
        self._percents = {name: dict.fromkeys(TITLES, 0) for name in departments}
        self._texts = dict.fromkeys(departments, "")
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=8)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def of(self, department: str) -> Callable[[News], None]:
        """Gives what is told of one department's news."""

        def show(news: News) -> None:
            if news.job_type not in TITLES:
                return
            self._percents[department][news.job_type] = news.progress
            if news.text:
                self._texts[department] = news.text
            if news.text and not self._console.is_terminal:
                title = TITLES[news.job_type]
                line = f"{department:<8} {title:<10} {news.progress:>3} %  {news.text}"
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

        return show

    def _drawn(self) -> Columns:
        return Columns([self._panel(name) for name in self._percents], padding=0)

    def _panel(self, department: str) -> Panel:
        lines = [
            f"{TITLES[kind]:<10} {meter(percent, METER_WIDTH)} {percent:>3}%"
            for kind, percent in self._percents[department].items()
        ]
        # As many lines each time, so that nothing jumps.
        told = wrap(self._texts[department], INNER_WIDTH)[:TEXT_LINES]
        lines += [*told, *[""] * (TEXT_LINES - len(told))]
        return Panel(Text("\n".join(lines)), title=department, width=PANEL_WIDTH)
