"""Plans that are kept, so that the usual documents are planned once."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from graph.executor.plan import Plan

if TYPE_CHECKING:
    from graphql import OperationDefinitionNode

KEPT_FIELDS = 50_000
"""A planned field takes about 1.5 kB, so these are some 75 MB, whatever documents strangers send:
fragments can make a plan much larger than its document."""


class Plans:
    """The plans of one schema, the least recently used forgotten first.

    There is one for each operation and each choice that its `@skip` and `@include` may make.
    Bounded by the number of all their fields, which is looked at as they are asked for.
    """

    def __init__(self, fields: int = KEPT_FIELDS) -> None:
        self._most = fields
        self._kept: OrderedDict[Any, tuple[OperationDefinitionNode, Plan]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, operation: OperationDefinitionNode, choices: tuple[Any, ...]) -> Plan:
        """The plan of an operation, new ones growing as they are executed."""
        # The operation is kept with its plan, so that no other can take its identity meanwhile.
        key = (id(operation), choices)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found[1]
        while self._kept and sum(plan.fields for _, plan in self._kept.values()) > self._most:
            self._kept.popitem(last=False)
        plan = Plan()
        self._kept[key] = (operation, plan)
        return plan
