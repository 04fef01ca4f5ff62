"""What a model may look at: which columns are features, and which are left out and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.insights.names import words_of
from workers.insights.table import Column, Family, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.insights.profiles import Profile
    from workers.insights.table import Table

MOST_FEATURES = 100
MOST_CATEGORIES = 30
"""Values of a text that are told apart, the most frequent ones; the others are one together."""

FREE_TEXT_LENGTH = 60
VARIOUS_SHARE = 0.5

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PERSONAL = re.compile(
    r"\b(?:sex|gender|age|birth|born|dob|marriage|marital|married|race|ethnicity|ethnic|religion|"
    r"nationality|citizenship|disability|pregnant|health|orientation|language)\b"
)


@dataclass(frozen=True, slots=True)
class Feature:
    """A number per row that a model sees: its SQL, and its categories, numbered from 1, if any.

    Number 0 stands for all other categories.
    """

    name: str
    column: str
    sql: str
    categories: tuple[str, ...] | None = None

    @property
    def personal(self) -> bool:
        """Whether it describes a person, and law may forbid to decide by it."""
        return PERSONAL.search(words_of(self.column)) is not None

    def label(self, number: float) -> str:
        """Gives a value for people."""
        if self.categories is None:
            return f"{number:,.10g}"
        return self.categories[int(number) - 1] if number else "others"


def features_of(
    table: Table, found: Sequence[Profile], omitted: Mapping[int, str], time: Column | None
) -> tuple[list[Feature], dict[str, str]]:
    """Gives the features that columns make, and why the other columns make none.

    `omitted` says which columns are not to be used, by place. Of `time`, which is known beforehand,
    weekday and month are features, and the hour.
    """
    features: list[Feature] = []
    left_out: dict[str, str] = {}
    for profile in found:
        column = profile.column
        why = omitted.get(column.at) or _unfit(profile)
        if time is not None and column.at == time.at:
            features += _calendar(column)
        elif why:
            left_out[column.name] = why
        elif len(features) >= MOST_FEATURES:
            left_out[column.name] = f"The first {MOST_FEATURES} features are used."
        else:
            features.append(_feature(table, column))
    return features, left_out


def _unfit(profile: Profile) -> str | None:
    family = profile.family
    called = re.search(r"\b(?:id|no|number|key|index)$", profile.words) is not None
    various = profile.distinct > VARIOUS_SHARE * profile.filled or profile.length > FREE_TEXT_LENGTH
    reasons = {
        "Its type can't be used.": family is Family.OTHER,
        "Moments say little by themselves, and may be known only afterwards.": (
            family is Family.MOMENT
        ),
        "It has no values.": profile.filled == 0,
        "It has the same value everywhere.": (
            profile.distinct == 1 and profile.filled == profile.rows
        ),
        "It numbers or names rows.": (
            profile.numbers_rows or (called and profile.is_whole and profile.is_serial)
        ),
        "Its texts are too various to be categories.": family is Family.TEXT and various,
    }
    return next((why for why, holds in reasons.items() if holds), None)


def _feature(table: Table, column: Column) -> Feature:
    if column.family is not Family.TEXT:
        return Feature(column.name, column.name, f"cast({column.value} as DOUBLE)")
    found = table.records(
        f"{column.value} as value, count(*) as rows",
        "data",
        f"where {column.value} is not null group by 1 order by 2 desc, 1 limit {MOST_CATEGORIES}",
    )
    categories = tuple(each["value"] for each in found)
    listed = ", ".join(map(quoted, categories))
    place = f"coalesce(list_position([{listed}], {column.value}), 0)"
    sql = f"(case when {column.value} is not null then {place} end)"
    return Feature(column.name, column.name, sql, categories)


def _calendar(column: Column) -> list[Feature]:
    months = tuple(str(number) for number in range(1, 13))
    made = [
        Feature(f"{column.name}: weekday", column.name, f"isodow({column.value})", WEEKDAYS),
        Feature(f"{column.name}: month", column.name, f"month({column.value})", months),
    ]
    if column.type == "DATE":
        return made
    return [Feature(f"{column.name}: hour", column.name, f"hour({column.value})"), *made]
