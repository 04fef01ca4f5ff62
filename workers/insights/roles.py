"""What columns are to an insight: recognised by type, name and content, or given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workers.engines.errors import FileError, FileErrorCode
from workers.insights.report import NotAvailable, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from workers.insights.profiles import Profile
    from workers.insights.table import Column, Family

MOST_OF_ROLE = 30
"""Columns that have a role of many, when they are recognised."""

NAMED, ALIKE, ALONE = 0.95, 0.75, 0.6
"""Confidence when a column's name is a role's name, when it only holds a word of it, and when it is
the only column whose type and content fit."""


def anything(_: Profile) -> bool:
    """Finds any content fitting."""
    return True


@dataclass(frozen=True, slots=True)
class Role:
    """Something that a column may be to an insight.

    `named`, `alike` and `never` are patterns over a name's words: of all of them, of some, and of
    what speaks against the role. `content` finds whether the values fit, and `says` puts that into
    words. `speaks` is what the role says about a file being of the insight's kind. With `alone`,
    the only column that fits has the role whatever its name. With `many`, all columns found do.
    """

    name: str
    families: frozenset[Family]
    says: str
    named: str
    alike: str = ""
    never: str = ""
    content: Callable[[Profile], bool] = anything
    speaks: float = 0.0
    alone: bool = False
    many: bool = False

    def by_name(self, profile: Profile) -> float:
        """Gives the confidence that the name alone gives, 0 for none."""
        if self.contradicts(profile):
            return 0.0
        if re.fullmatch(self.named, profile.words):
            return NAMED
        return ALIKE if self.alike and _holds(self.alike, profile) else 0.0

    def contradicts(self, profile: Profile) -> bool:
        """Whether the name speaks against the role."""
        return bool(self.never) and _holds(self.never, profile)

    def fits(self, profile: Profile) -> bool:
        """Whether type and content allow the role."""
        return profile.filled > 0 and profile.family in self.families and self.content(profile)


def _holds(words: str, profile: Profile) -> bool:
    return re.search(rf"\b(?:{words})\b", profile.words) is not None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A column in a role, or none, and how it was found. Confidence goes from 0 to 1."""

    role: Role
    column: Column | None
    given: bool
    confidence: float
    why: str


class Roles:
    """Which columns have which roles of one insight."""

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        """In the order of the insight's roles, the surest first where a role has several."""
        self.assignments = assignments
        self.weight = sum(each.role.speaks * each.confidence for each in assignments if each.column)

    def get(self, name: str) -> Column | None:
        """Gives the column of a role, if there is one."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[Column]:
        """Gives the columns of a role that many may have."""
        return [each.column for each in self.assignments if each.column and each.role.name == name]

    def need(self, name: str) -> Column:
        """Gives the column of a role. Raises `NotAvailable` if there is none."""
        column = self.get(name)
        if column is None:
            what = name.replace("_", " ")
            raise NotAvailable(Reason.NO_COLUMN, f"No column was recognised as the {what}.")
        return column

    def value(self, name: str, type_name: str) -> str:
        """Gives the SQL of a role's values, which are NULL without a column."""
        column = self.get(name)
        return column.value if column else f"cast(null as {type_name})"

    def key(self, name: str) -> str:
        """Gives the SQL of a role's values as texts that name things, NULL without a column."""
        column = self.get(name)
        return column.key if column else "cast(null as VARCHAR)"

    def is_given(self, name: str) -> bool:
        """Whether the mapping says which column has the role."""
        return any(each.given for each in self.assignments if each.role.name == name)


def recognise(roles: Sequence[Role], found: Sequence[Profile], given: Mapping[str, Any]) -> Roles:
    """Gives roles to columns: first those that are given, then the surest, in order.

    `given` is role to column name (a list of names for roles of many; None for no column). Raises
    `FileError` where a column that is given can't have its role.
    """
    assignments = [
        each for role in roles if role.name in given for each in _given(role, given, found)
    ]
    taken = {each.column.at for each in assignments if each.column}
    candidates = [
        each
        for role in roles
        if role.name not in given
        for each in _candidates(role, [one for one in found if one.column.at not in taken])
    ]
    room = {role.name: MOST_OF_ROLE if role.many else 1 for role in roles}
    # The sort is stable: of equally sure ones the first role and the first column come first.
    for each in sorted(candidates, key=lambda one: -one.confidence):
        if each.column and each.column.at not in taken and room[each.role.name]:
            assignments.append(each)
            taken.add(each.column.at)
            room[each.role.name] -= 1
    filled = {each.role.name for each in assignments}
    assignments += [
        Assignment(role, None, given=False, confidence=0.0, why="No column was recognised as this.")
        for role in roles
        if role.name not in filled
    ]
    order = [role.name for role in roles]
    return Roles(sorted(assignments, key=lambda each: order.index(each.role.name)))


def _given(role: Role, given: Mapping[str, Any], found: Sequence[Profile]) -> list[Assignment]:
    asked = given[role.name]
    if asked is None:
        return [Assignment(role, None, given=True, confidence=1.0, why="The mapping gives none.")]
    names = asked if isinstance(asked, list) else [asked]
    if len(names) > 1 and not role.many:
        raise _misfit(f"The mapping gives {role.name} {len(names)} columns, and it can have one.")
    by_name = {each.column.name: each for each in found}
    assignments = []
    for name in names:
        profile = by_name.get(name)
        if profile is None:
            raise _misfit(f"The mapping gives {role.name} “{name}”, which is no column.")
        if profile.family not in role.families or profile.filled == 0:
            held = profile.family if profile.filled else "nothing"
            wanted = " or ".join(sorted(role.families))
            raise _misfit(
                f"The mapping gives {role.name} “{name}”, which holds {held} and not {wanted}."
            )
        why = "The mapping says so."
        assignments.append(Assignment(role, profile.column, given=True, confidence=1.0, why=why))
    return assignments


def _misfit(found: str) -> FileError:
    return FileError(FileErrorCode.MAPPING_DOES_NOT_FIT, found)


def _candidates(role: Role, found: Sequence[Profile]) -> list[Assignment]:
    fitting = [profile for profile in found if role.fits(profile)]
    sure = [(profile, role.by_name(profile)) for profile in fitting]
    candidates = [(profile, confidence) for profile, confidence in sure if confidence]
    if not candidates and role.alone and len(fitting) == 1 and not role.contradicts(fitting[0]):
        candidates = [(fitting[0], ALONE)]
    how = {NAMED: "Its name says so", ALIKE: "Its name holds a word of it", ALONE: "It alone fits"}
    return [
        Assignment(
            role,
            profile.column,
            given=False,
            confidence=confidence,
            why=f"{how[confidence]}; it has {role.says}.",
        )
        for profile, confidence in candidates
    ]
