"""The one schema: each area adds a line."""

from __future__ import annotations

from typing import Annotated

import strawberry
from graphql import build_schema, lexicographic_sort_schema, print_schema
from strawberry.schema.config import StrawberryConfig

from graph.catalog.mutations import CatalogMutations
from graph.catalog.queries import CatalogQueries
from graph.context import Info
from graph.identity.mutations import IdentityMutations
from graph.identity.queries import IdentityQueries
from graph.jobs.mutations import JobMutations
from graph.jobs.queries import JobQueries
from graph.jobs.subscriptions import JobSubscriptions
from graph.nodes import Node, found, found_all
from graph.scalars import SCALARS

Ids = Annotated[list[strawberry.ID], strawberry.argument(description="The ids, in any order.")]


@strawberry.type(description="What can be read.")
class Query(IdentityQueries, CatalogQueries, JobQueries):
    """The root of queries."""

    @strawberry.field(description="The node with this id, or null where there is none to be seen.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The node's id.")],
    ) -> Node | None:
        """Finds any node."""
        return await found(info, id)  # type: ignore[return-value]

    @strawberry.field(
        description="The nodes with these ids, in their order, with null for what can't be seen."
    )
    async def nodes(self, info: Info, ids: Ids) -> list[Node | None]:
        """Finds any nodes, those of one type in one statement."""
        return await found_all(info, ids)  # type: ignore[return-value]


@strawberry.type(description="What can be changed.")
class Mutation(IdentityMutations, CatalogMutations, JobMutations):
    """The root of mutations."""


@strawberry.type(description="What can be followed live.")
class Subscription(JobSubscriptions):
    """The root of subscriptions."""


def schema() -> strawberry.Schema:
    """Builds the schema."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def sdl() -> str:
    """The schema as text, sorted, as it is committed in ``schema.graphql``."""
    # Sorting the live schema would replace Strawberry's enums by ones that know no Python values.
    return print_schema(lexicographic_sort_schema(build_schema(schema().as_str()))) + "\n"
