"""Whether a table's first record names its columns, and the names that columns get."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workers.engines.dialect import is_value
from workers.engines.limits import MAX_NAME_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

YEAR = re.compile(rb"(?:19|20)\d\d")
INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u200b\ufeff\ufdd0]+")


def is_header(first: Sequence[bytes | None], body: Sequence[Sequence[bytes | None]]) -> bool:
    """Judges a first record against the records after it, which have as many cells.

    A cell that is no value above a column of values speaks for a header; a value above values, and
    a cell that comes again in its own column, speak against it. Without evidence there is one.
    """
    if not body:
        return not all(is_value(cell) or cell is None for cell in first)
    years = [cell for cell in first if cell is not None and YEAR.fullmatch(cell)]
    ordered = len(years) > 1 and years == sorted(set(years))
    votes = 0
    for at, cell in enumerate(first):
        column = [record[at] for record in body if record[at] is not None]
        if cell is None or not column or (ordered and YEAR.fullmatch(cell)):
            continue
        values = sum(1 for value in column if is_value(value)) > 0.9 * len(column)
        if values:
            votes += -1 if is_value(cell) else 1
        elif is_value(cell) or cell in column:
            votes -= 1
    return votes >= 0


def unique_names(sources: Sequence[str]) -> list[str]:
    """Makes names that are neither empty nor equal, ignoring case as DuckDB does.

    A name stays as it is in the file, without space around it, invisible characters, and what is
    beyond `MAX_NAME_CHARACTERS`; an empty one is ``column_3``, a second ``price`` is ``price_2``.
    """
    bases = [_cleaned(source, at) for at, source in enumerate(sources, 1)]
    # A number is never added where the file itself has a column of that name.
    taken = {_folded(base) for base in bases}
    numbers: dict[str, int] = {}
    names: list[str] = []
    for base in bases:
        number = numbers.get(_folded(base), 0) + 1
        name = base
        while number > 1:
            suffix = f"_{number}"
            name = base[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
            if _folded(name) not in taken:
                break
            number += 1
        numbers[_folded(base)] = number
        taken.add(_folded(name))
        names.append(name)
    return names


def _cleaned(source: str, at: int) -> str:
    source = source.encode("utf-8", "replace").decode()  # A surrogate on its own has no UTF-8.
    return INVISIBLE.sub(" ", source).strip()[:MAX_NAME_CHARACTERS].strip() or f"column_{at}"


def _folded(name: str) -> str:
    # DuckDB folds by lower case; full case folding also keeps apart what other readers confuse.
    return name.lower().casefold()
