"""The feeds of one process, and how a subscriber goes from one to the next."""

from __future__ import annotations

import uuid
from collections.abc import Hashable
from typing import TYPE_CHECKING

import orjson
from graphql import FieldNode, OperationDefinitionNode, VariableNode, Visitor, visit

from graph.transport.feed import Begin, Feed, Follower, Turn
from graph.transport.live import LiveSource, Sink
from graph.transport.operation import OperationRequest, OperationResult, refused

if TYPE_CHECKING:
    from graphql import DocumentNode

RESUMING = "after"
"""The argument of a subscription's field that says where one subscriber goes on."""


class Feeds:
    """The feeds that somebody follows, by what is executed and what it may read."""

    def __init__(self) -> None:
        self._feeds: dict[Hashable, Feed] = {}

    def __len__(self) -> int:
        """How many feeds there are."""
        return len(self._feeds)

    async def follow(self, operation: Hashable, begin: Begin, follower: Follower) -> Feed:
        """Follows until the subscriber's feed has ended, which it gives.

        Raises a `DomainError` for what the subscriber may no longer see.
        """
        while True:
            key = (operation, follower.source.log.key)
            feed = self._feeds.get(key)
            if feed is None or feed.ended:
                feed = self._feeds[key] = Feed(follower.source.log, begin, str(uuid.uuid4()))
            feed.followers += 1
            try:
                if await feed.follow(follower) is Turn.ENDED:
                    return feed
            finally:
                feed.followers -= 1
                if not feed.followers:
                    feed.stop()
                    if self._feeds.get(key) is feed:
                        del self._feeds[key]
            # What changes from here on turns it stale again.
            follower.stale = False
            await follower.source.renew()


class Following:
    """A subscription that is ready to be followed, what it shares with others being known."""

    def __init__(
        self,
        feeds: Feeds,
        source: LiveSource,
        operation: Hashable,
        begin: Begin,
        request_id: str,
    ) -> None:
        self._feeds = feeds
        self._source = source
        self._operation = operation
        self._begin = begin
        self._request_id = request_id

    async def into(self, sink: Sink) -> OperationResult | None:
        """Sends the subscription's entries until it ends; gives the refusal that ended it."""
        follower = Follower(self._source, sink, self._source.place)
        self._source.watch(follower.renew)
        try:
            feed = await self._feeds.follow(self._operation, self._begin, follower)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is mapped, masked and logged)
            return refused(error, self._request_id)
        else:
            return feed.refusal


def operation_key(request: OperationRequest, document: DocumentNode) -> Hashable:
    """What two subscriptions must have in common to share their executions, scope aside.

    That is everything but the variable that only says where one of them goes on.
    """
    variables = dict(request.variables or {})
    if (name := _resuming_variable(request, document)) is not None:
        variables.pop(name, None)
    return (
        request.query,
        request.operation_name,
        orjson.dumps(variables, option=orjson.OPT_SORT_KEYS),
        orjson.dumps(request.extensions, option=orjson.OPT_SORT_KEYS),
    )


def _resuming_variable(request: OperationRequest, document: DocumentNode) -> str | None:
    """The variable that stands at the root field's cursor and nowhere else."""
    uses = _Uses()
    visit(document, uses)
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        name = definition.name.value if definition.name else None
        if request.operation_name is not None and name != request.operation_name:
            continue
        for field in definition.selection_set.selections:
            arguments = field.arguments if isinstance(field, FieldNode) else None
            for argument in arguments or ():
                value = argument.value
                if argument.name.value == RESUMING and isinstance(value, VariableNode):
                    variable = value.name.value
                    # Once where it is declared, and once here.
                    return variable if uses.counted[variable] == 2 else None  # noqa: PLR2004
    return None


class _Uses(Visitor):
    """Counts where variables stand, their declarations too."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[str, int] = {}

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        name = node.name.value
        self.counted[name] = self.counted.get(name, 0) + 1
