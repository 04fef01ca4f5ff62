"""The one schema: each area adds a line."""

from __future__ import annotations

from typing import Annotated

import strawberry
from graphql import build_schema, lexicographic_sort_schema, print_schema
from strawberry.schema.config import StrawberryConfig

from graph.catalog.mutations import CatalogMutations
from graph.catalog.queries import CatalogQueries
from graph.edges import batch_field
from graph.identity.mutations import IdentityMutations
from graph.identity.queries import IdentityQueries
from graph.jobs.mutations import JobMutations
from graph.jobs.queries import JobQueries
from graph.jobs.subscriptions import JobSubscriptions
from graph.nodes import Node, found, found_all
from graph.scalars import SCALARS

Id = Annotated[strawberry.ID, strawberry.argument(description="The node's id.")]
Ids = Annotated[list[strawberry.ID], strawberry.argument(description="The ids, in any order.")]


@strawberry.type(description="What can be read.")
class Query(IdentityQueries, CatalogQueries, JobQueries):
    """The root of queries."""

    node: Node | None = batch_field(
        found,
        "The node with this id, or null where there is none to be seen.",
        arguments={"id": Id},
    )
    nodes: list[Node | None] = batch_field(
        found_all,
        "The nodes with these ids, in their order, with null for what can't be seen.",
        arguments={"ids": Ids},
    )


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
