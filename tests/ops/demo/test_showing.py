from __future__ import annotations

from io import StringIO

from rich.console import Console

from ops.demo.showing import SideBySide
from ops.uploading.following import News

NAMES = ("sales", "supply", "finance")
NEWS = (
    ("sales", News("validation", 42, None, "Checking every line", None)),
    ("supply", News("etl", 20, None, None, None)),
    ("finance", News("eda", 50, None, "of no interest here", None)),
    ("finance", News("ml_inference", 100, "SUCCEEDED", "Done: “[bold]” is a name. " * 5, None)),
)


def shown(*, terminal: bool) -> str:
    file = StringIO()
    console = Console(file=file, force_terminal=terminal, width=80, color_system=None)
    with SideBySide(console, NAMES) as progress:
        for department, news in NEWS:
            progress.of(department)(news)
    return file.getvalue()


def test_three_departments_stand_side_by_side_on_a_terminal() -> None:
    lines = shown(terminal=True).splitlines()
    heads = [line for line in lines if all(name in line for name in NAMES)]
    assert heads
    last = lines[lines.index(heads[-1]) :]
    assert "Validating ━━━╌╌╌  42%" in last[2]
    assert "Cleaning   ━╌╌╌╌╌  20%" in last[3]
    assert last[4].count("Explaining") == 3
    assert "Explaining ━━━━━━ 100%" in last[4]
    assert "Checking every line" in last[5]
    assert "Done: “[bold]” is a" in last[5]
    assert all(len(line) <= 80 for line in last[1:8])


def test_each_is_told_of_in_lines_elsewhere() -> None:
    assert shown(terminal=False).splitlines() == [
        "sales    Validating  42 %  Checking every line",
        f"finance  Explaining 100 %  {'Done: “[bold]” is a name. ' * 5}",
    ]
