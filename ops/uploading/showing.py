"""What a person sees of an upload: bars on a terminal, lines elsewhere, and the summary."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console
    from rich.progress import TaskID

    from ops.uploading.following import News

TITLES = {"validation": "Validating", "etl": "Cleaning"}

SHOWN_COLUMNS = 50


@contextmanager
def bytes_shown(
    console: Console, title: str, total: int, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Shows how many bytes of ``total`` are done, and gives what is told of further ones."""
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total, completed=done)
        yield lambda size: progress.advance(task, size)
    if not console.is_terminal:
        console.print(f"{title}: {total:,} bytes", highlight=False)


class JobsShown:
    """Shows how far each job is, with a bar each; use it as a context."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, news: News) -> None:
        """Shows one event."""
        title = TITLES.get(news.job_type, news.job_type)
        text = news.text or ""
        if not self._console.is_terminal:
            if text:
                self._console.print(f"{title}: {news.progress} % {text}", highlight=False)
            return
        if news.job_type not in self._tasks:
            self._tasks[news.job_type] = self._progress.add_task(title, total=100, text="")
        task = self._tasks[news.job_type]
        self._progress.update(task, completed=news.progress)
        if text:
            self._progress.update(task, text=text)


def show_summary(console: Console, summary: Mapping[str, Any]) -> None:
    """Prints an `etl_summary`: the rows and the columns with their types."""
    rows, size = summary["rows"], summary["bytes"]
    console.print(
        f"{rows['read']:,} rows read: {rows['kept']:,} kept, {rows['rejected']:,} rejected. "
        f"{size['in']:,} bytes became {size['out']:,} bytes of Parquet in "
        f"{summary['seconds']:.1f} s.",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("Column", "Type", Column("Nulls", justify="right"))
    columns = summary["columns"]
    for column in columns[:SHOWN_COLUMNS]:
        # A column's name comes from the file: it is text, never markup.
        table.add_row(Text(column["name"]), Text(column["type"]), f"{column['nulls']:,}")
    console.print(table)
    if len(columns) > SHOWN_COLUMNS:
        console.print(f"… and {len(columns) - SHOWN_COLUMNS} more columns", highlight=False)
