"""The executor: graphql-core's, with the fields of every object it reaches executed by columns."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import DirectiveNode, GraphQLError, GraphQLObjectType, Visitor, visit
from graphql.execution.collect_fields import GroupedFieldSet
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from graph.executor.batch import STRAWBERRY
from graph.executor.plan import Plan, Selection
from graph.executor.waves import Waves

INCREMENTAL = ("defer", "stream")
"""The directives whose answers come in parts."""


class _IncrementalFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        self.found = self.found or node.name.value in INCREMENTAL


@dataclass(slots=True)
class Tally:
    """How often each way of execution was taken."""

    columns: int = 0
    """Columns of fields that were executed."""
    values: int = 0
    """Values in these columns."""
    fallbacks: int = 0
    """Fields and values of single objects that were left to graphql-core."""


class ColumnarExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes queries, and what mutations and events of subscriptions select, by columns.

    Choosing the operation, its variables, the order of mutations, and streams stay graphql-core's.
    """

    plan: Plan
    tally: Tally

    def __init__(
        self, *args: Any, plan: Plan | None = None, tally: Tally | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.plan = plan or Plan()
        self.tally = tally or Tally()
        # Middleware wraps every field of every object; without propagation a failed field is null
        # whatever its type says; an abort signal interrupts single fields; what is deferred or
        # streamed is not part of one answer.
        self._columnar = (
            self.middleware_manager is None
            and self.error_propagation
            and self.abort_signal is None
            and not self._is_incremental()
        )

    def _is_incremental(self) -> bool:
        if not any(map(self.schema.get_directive, INCREMENTAL)):
            return False
        finder = _IncrementalFinder()
        for node in (self.operation, *self.fragment_definitions.values()):
            visit(node, finder)
        return finder.found

    @cached_property
    def stepwise(self) -> ColumnarExecutor:
        """The same execution, all of whose fields graphql-core executes object by object."""
        executor = copy(self)
        executor._columnar = False  # noqa: SLF001 (a copy of this very object)
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:  # noqa: FBT001 (overridden)
        """Executes the operation; one whose plan is known goes straight to it."""
        root = self.plan.root
        if root is None or serially or not self._columnar:
            return super().execute_operation(serially)
        return self._planned(root)

    async def _planned(self, root: Selection) -> Any:
        data: dict[str, Any] | None = None
        try:
            data = await Waves(self).answer(root, self.root_value, None)
        except GraphQLError as error:
            self.collected_errors.add(error, None)
        return self.build_response(data)

    def converted(self, field: StrawberryField, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a field as its resolver in Python takes them."""
        schema = self.schema.extensions[STRAWBERRY]
        return convert_arguments(
            arguments,
            field.arguments,
            scalar_registry=schema.schema_converter.scalar_registry,
            config=schema.config,
        )

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Executes the fields of one object and all below them by columns."""
        if not self._columnar:
            self.tally.fallbacks += path is None
            return super().execute_fields(
                parent_type, source_value, path, grouped_field_set, position_context
            )
        selection = self.plan.root if path is None else None
        if selection is None:
            selection = self.plan.made(self, parent_type, grouped_field_set)
            if path is None:
                self.plan.root = selection
        return Waves(self).answer(selection, source_value, path)
