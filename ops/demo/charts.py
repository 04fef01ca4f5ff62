"""Small charts out of characters: of blocks for terminals, of ASCII elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.:-=+*#"

MONEY_WITH_CENTS_BELOW = 1000


def sparkline(values: Sequence[float | None], *, plain: bool = False) -> str:
    """One character a value, as high as it lies between the least and the largest of them.

    Where all are the same each is in the middle; None is a blank.
    """
    levels = ASCII if plain else BLOCKS
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)

    def level(value: float) -> str:
        if high == low:
            return levels[len(levels) // 2]
        return levels[round((value - low) / (high - low) * (len(levels) - 1))]

    return "".join(" " if value is None else level(value) for value in values)


def bar(value: float, largest: float, width: int, *, plain: bool = False) -> str:
    """A bar of at most ``width`` characters, in proportion; anything above zero shows."""
    if largest <= 0 or value <= 0:
        return ""
    return ("#" if plain else "█") * max(1, round(width * value / largest))


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    shown: Sequence[str],
    width: int,
    *,
    plain: bool = False,
) -> list[str]:
    """A line for each value: its label, its bar, and the value as it is ``shown``.

    Labels are cut at two fifths of ``width``.
    """
    room = min(max(map(len, labels), default=0), width * 2 // 5)
    figures = max(map(len, shown), default=0)
    length = width - room - figures - 2
    largest = max(values, default=0)
    lines = []
    for label, value, number in zip(labels, values, shown, strict=True):
        drawn = bar(value, largest, length, plain=plain)
        lines.append(f"{cut(label, room):<{room}} {number:>{figures}} {drawn}".rstrip())
    return lines


def meter(percent: int, width: int) -> str:
    """How far something is, as a bar on a track of ``width`` characters."""
    done = round(width * min(max(percent, 0), 100) / 100)
    return "━" * done + "╌" * (width - done)


def cut(text: str, length: int) -> str:
    """The text on one line, with dots at its end where it is longer than ``length``."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: max(length - 3, 0)] + "..."


def written(value: object, unit: str) -> str:
    """A value of a figure for people, by its unit: ``57.6 %`` for a share."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "money":
        return f"{value:,.0f}" if abs(value) >= MONEY_WITH_CENTS_BELOW else f"{value:,.2f}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"
