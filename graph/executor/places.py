"""Places: where the values of a column stand in the answer, worked out only for who has to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from graphql.pyutils import Path


class Place(Protocol):
    """Where each value of a column stands."""

    def path(self, index: int) -> Path | None:
        """The response path of one value; None is the answer itself."""


class Root:
    """The place of a single object that graphql-core has reached."""

    __slots__ = ("_path",)

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def path(self, index: int) -> Path | None:  # noqa: ARG002 (there is only one)
        """The object's path."""
        return self._path


class FieldPlace:
    """The place of a field of each object of a group."""

    __slots__ = ("_name", "_objects", "_type_name")

    def __init__(self, objects: Place, name: str, type_name: str) -> None:
        self._objects = objects
        self._name = name
        self._type_name = type_name

    def path(self, index: int) -> Path:
        """The path of the field of the object at ``index``."""
        return Path(self._objects.path(index), self._name, self._type_name)


class ItemPlace:
    """The place of the items of lists, which stand one after another in one column.

    ``lengths`` are the lists' lengths in the column of lists.
    """

    __slots__ = ("_lengths", "_lists", "_places")

    def __init__(self, lists: Place, lengths: Sequence[int]) -> None:
        self._lists = lists
        self._lengths = lengths
        self._places: list[tuple[int, int]] | None = None

    def path(self, index: int) -> Path:
        """The path of the item at ``index`` of the column of items."""
        if self._places is None:
            self._places = [
                (number, item)
                for number, length in enumerate(self._lengths)
                for item in range(length)
            ]
        number, item = self._places[index]
        path = self._lists.path(number)
        assert path is not None  # noqa: S101 (a list is the value of a field, or an item)
        return path.add_key(item, None)


class ChosenPlace:
    """The place of those values that were chosen from a column, by their indices in it."""

    __slots__ = ("_all", "_indices")

    def __init__(self, all_: Place, indices: Sequence[int]) -> None:
        self._all = all_
        self._indices = indices

    def path(self, index: int) -> Path | None:
        """The path of the chosen value at ``index``."""
        return self._all.path(self._indices[index])
