"""Connections: pages of lists in Relay's form, fetched only where a field of them is selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Protocol, TypeVar, cast

import strawberry

from domain.errors import InvalidInput, LimitExceeded
from domain.filters import Condition, given
from domain.paging import NEWEST, Order, Page, Rows, cursor_of
from graph.context import Context, Info

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from domain.models import Base

T = TypeVar("T")

DEFAULT_SIZE = 20

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


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's Connection, over a `Listing`."""

    @strawberry.field(description="The rows with their cursors.")
    async def edges(self: Listing, info: Info) -> list[Edge[T]]:
        """Loads the page."""
        page = await self.load()
        info.context.spend(len(page.rows))
        return [PlacedRow(cursor_of(row, page.page.order), row) for row in page.rows]  # type: ignore[misc]

    @strawberry.field(description="The rows alone.")
    async def nodes(self: Listing, info: Info) -> list[T]:
        """Loads the page."""
        page = await self.load()
        info.context.spend(len(page.rows))
        return page.rows  # type: ignore[return-value]

    @strawberry.field(description="Where this page stands in the list.")
    async def page_info(self: Listing) -> PageInfo:
        """Loads the page."""
        page = await self.load()
        cursors = [cursor_of(row, page.page.order) for row in (page.rows[:1] + page.rows[-1:])]
        return PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )

    @strawberry.field(description="How many rows the whole list has; counted only when asked for.")
    async def total_count(self: Listing) -> int:
        """Counts the list."""
        return await self.count()


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """What an Edge reads."""

    cursor: str
    node: Any


@dataclass(frozen=True, slots=True)
class Listing:
    """What a Connection reads: how to load its page, and how to count its list."""

    load: Callable[[], Awaitable[Rows]]
    count: Callable[[], Awaitable[int]]


def page_of(
    info: Info,
    model: type[Base],
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
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
    limit = info.context.parts.settings.page_limit
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


def scoped(info: Info, model: type[Base], page: Page) -> Connection[Any]:
    """A connection over all that the scope opens."""
    # A snapshot per event: the listing keeps the one that it was made in.
    reads = info.context.reads
    loaders = info.context.loaders

    async def load(_reads: Any, keys: list[Any]) -> dict[Any, Rows]:
        return {keys[0]: await reads.page(model, page)}

    listing = Listing(
        load=lambda: loaders.by(load, None), count=lambda: reads.count(model, page.conditions)
    )
    return _as_connection(listing)


def children(info: Info, model: type[Base], parent: str, key: UUID, page: Page) -> Connection[Any]:
    """A connection over the rows whose foreign key ``parent`` is ``key``."""
    context: Context = info.context
    loaders = context.loaders
    listing = Listing(
        load=lambda: loaders.many(model, parent, key, page),
        count=lambda: loaders.count(model, parent, key, page.conditions),
    )
    return _as_connection(listing)


def _as_connection(listing: Listing) -> Connection[Any]:
    # A Connection's fields read a Listing; Strawberry needs the one, type checkers the other.
    return cast("Connection[Any]", listing)
