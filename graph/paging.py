"""Connections: pages of lists in Relay's form, fetched only where a field of them is selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeVar

import strawberry

from domain.errors import InvalidInput, LimitExceeded
from domain.filters import Condition, given
from domain.paging import NEWEST, Order, Page, Rows, cursor_of
from graph.context import Context
from graph.edges import batch_field
from graph.executor.batch import Load, Loader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from domain.models import Base
    from domain.reads import Reads
    from graph.loaders import Loaders

T = TypeVar("T")

DEFAULT_SIZE = 20

WHOLE = "whole"
"""The only key of a list that does not hang on a row."""

First = Annotated[
    int | None, strawberry.argument(description="How many to give from the start of the list.")
]
After = Annotated[
    str | None, strawberry.argument(description="The cursor after which the page starts.")
]
Last = Annotated[
    int | None, strawberry.argument(description="How many to give from the end of the list.")
]
Before = Annotated[
    str | None, strawberry.argument(description="The cursor before which the page ends.")
]

PAGE_ARGUMENTS = {"first": First, "after": After, "last": Last, "before": Before}


class Filter(Protocol):
    """A filter input of an area."""

    def conditions(self) -> tuple[Condition, ...]:
        """The comparisons that a row must meet, all of them."""


class OrderBy(Protocol):
    """An order input of an area."""

    def order(self) -> Order:
        """The order of the list."""


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether more follow this page.")
    has_previous_page: bool = strawberry.field(description="Whether more precede this page.")
    start_cursor: str | None = strawberry.field(description="The cursor of the page's first row.")
    end_cursor: str | None = strawberry.field(description="The cursor of the page's last row.")


@strawberry.type(description="One row of a page with its place in the list.")
class Edge(Generic[T]):
    """Relay's Edge."""

    cursor: str = strawberry.field(description="The row's place in this order of the list.")
    node: T = strawberry.field(description="The row itself, with all its fields.")


class PlacedRow:
    """What an Edge reads."""

    __slots__ = ("_order", "node")

    def __init__(self, node: Any, order: Order) -> None:
        self.node = node
        self._order = order

    @property
    def cursor(self) -> str:
        """The row's place."""
        return cursor_of(self.node, self._order)


@dataclass(slots=True, eq=False)
class Listing:
    """What a Connection reads: the loaders of its page and of its count, and its key in both."""

    pages: Loader
    counts: Loader
    key: Any


def _pages(listings: Sequence[Listing], finish: Callable[[list[Rows]], list[Any]]) -> Load:
    """The column that ``finish`` makes of the pages of listings, which have one loader."""
    return Load(listings[0].pages, [listing.key for listing in listings], finish)


def _edges(context: Context, listings: Sequence[Listing], _arguments: Any) -> Load:
    def finish(pages: list[Rows]) -> list[Any]:
        context.spend(sum(len(page.rows) for page in pages))
        return [[PlacedRow(row, page.page.order) for row in page.rows] for page in pages]

    return _pages(listings, finish)


def _nodes(context: Context, listings: Sequence[Listing], _arguments: Any) -> Load:
    def finish(pages: list[Rows]) -> list[Any]:
        context.spend(sum(len(page.rows) for page in pages))
        return [page.rows for page in pages]

    return _pages(listings, finish)


def _page_infos(_context: Context, listings: Sequence[Listing], _arguments: Any) -> Load:
    return _pages(listings, lambda pages: list(map(_page_info, pages)))


def _total_counts(_context: Context, listings: Sequence[Listing], _arguments: Any) -> Load:
    return Load(listings[0].counts, [listing.key for listing in listings])


def _page_info(page: Rows) -> PageInfo:
    cursors = [cursor_of(row, page.page.order) for row in (page.rows[:1] + page.rows[-1:])]
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's Connection, over a `Listing`."""

    edges: list[Edge[T]] = batch_field(_edges, "The rows with their cursors.")
    nodes: list[T] = batch_field(_nodes, "The rows alone.")
    page_info: PageInfo = batch_field(_page_infos, "Where this page stands in the list.")
    total_count: int = batch_field(
        _total_counts, "How many rows the whole list has; counted only when asked for."
    )


def page_of(
    context: Context,
    model: type[Base],
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    filter: Filter | None = None,
    order_by: OrderBy | None = None,
) -> Page:
    """Checks the arguments of a connection.

    Raises `InvalidInput` for what contradicts itself and for cursors that are none of this list's,
    `LimitExceeded` for a page that is too large.
    """
    if first is not None and last is not None:
        raise InvalidInput.at("last", "Give either first or last, not both.")
    size = next((n for n in (first, last) if n is not None), DEFAULT_SIZE)
    if size < 0:
        raise InvalidInput.at("last" if first is None else "first", "A page has 0 rows or more.")
    limit = context.parts.settings.page_limit
    if size > limit:
        message = f"A page has at most {limit} rows. Ask for fewer, and follow the cursor."
        raise LimitExceeded(message)
    order = order_by.order() if order_by else NEWEST
    page = Page(
        size=size,
        backward=last is not None,
        after=after,
        before=before,
        order=order,
        conditions=(*(filter.conditions() if filter else ()), *given(model, order)),
    )
    page.arguments(model)
    return page


def scoped_connection(
    model: type[Base],
    description: str,
    *,
    filter: type[Filter] | None = None,
    order_by: type[OrderBy] | None = None,
    ordered: bool = False,
) -> Any:
    """A field of the root: all rows of ``model`` that the scope opens, in pages.

    The rest is as for `connection_by`.
    """

    def loaded(loaders: Loaders, page: Page) -> tuple[Loader, Loader]:
        columns = loaders.columns.get(model)

        async def rows(reads: Reads, keys: list[Any]) -> dict[Any, Rows]:
            return {keys[0]: await reads.page(model, page, columns)}

        async def count(reads: Reads, keys: list[Any]) -> dict[Any, int]:
            return {keys[0]: await reads.count(model, page.conditions)}

        return loaders.of(rows), loaders.of(count)

    return connection_by(
        loaded, model, description, filter=filter, order_by=order_by, ordered=ordered, key=None
    )


def connection(
    model: type[Base],
    parent: str,
    description: str,
    *,
    filter: type[Filter] | None = None,
    order_by: type[OrderBy] | None = None,
    ordered: bool = False,
) -> Any:
    """A field of a type of rows: the rows of ``model`` whose ``parent`` is the row's id, in pages.

    The rest is as for `connection_by`.
    """

    def loaded(loaders: Loaders, page: Page) -> tuple[Loader, Loader]:
        counts = loaders.counts_of(model, parent, page.conditions)
        return loaders.pages_of(model, parent, page), counts

    return connection_by(
        loaded, model, description, filter=filter, order_by=order_by, ordered=ordered
    )


def connection_by(
    loaded: Callable[[Loaders, Page], tuple[Loader, Loader]],
    model: type[Base],
    description: str,
    *,
    filter: type[Filter] | None = None,
    order_by: type[OrderBy] | None = None,
    ordered: bool = False,
    key: str | None = "id",
) -> Any:
    """A field: pages of rows of ``model``, found by the column ``key`` of the row it hangs on.

    Without a ``key`` it is one list, and hangs on nothing. ``loaded`` gives the loaders of its
    pages and of its counts. ``filter`` and ``order_by`` are the inputs of its arguments, where it
    has them. The list comes newest first, or where it is ``ordered`` as its order's input says by
    itself.
    """

    def listings(context: Context, rows: Sequence[Any], arguments: dict[str, Any]) -> list[Listing]:
        if ordered and order_by is not None and arguments.get("order_by") is None:
            arguments = arguments | {"order_by": order_by()}
        pages, counts = loaded(context.loaders, page_of(context, model, **arguments))
        if key is None:
            return [Listing(pages, counts, WHOLE)] * len(rows)
        return [Listing(pages, counts, row[key]) for row in rows]

    arguments: dict[str, Any] = dict(PAGE_ARGUMENTS)
    if filter is not None:
        which = f"Which {model.__tablename__.replace('_', ' ')} to give."
        arguments["filter"] = Annotated[filter | None, strawberry.argument(description=which)]
    if order_by is not None:
        order = strawberry.argument(description="The order of the list.")
        arguments["order_by"] = Annotated[order_by | None, order]
    columns = () if key is None else (key,)
    return batch_field(listings, description, *columns, arguments=arguments)
