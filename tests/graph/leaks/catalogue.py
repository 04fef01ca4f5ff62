"""All that one caller asks: of every field, in every way in which others' things can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    visit,
)

from domain.paging import Order
from tests.graph.leaks.questions import (
    DEEP,
    NODE_TYPES,
    PAGE,
    PLACES,
    SHALLOW,
    Question,
    Values,
    Variant,
    combined,
    selection,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.graph.leaks.holdings import Holding
    from tests.graph.leaks.ways import Answer

QUERY = "query DECLARED { FIELDS }"
MUTATION = "mutation DECLARED { FIELDS }"
LAST = (
    "abortUpload",
    "deleteDataset",
    "deleteWorkspace",
    "unlinkIdentity",
    "revokeApiToken",
    "revokeSession",
    "revokeSessions",
    "deactivateUser",
    "logout",
)
"""What is done last, because there is less to be seen afterwards."""

SUBSCRIPTION = "subscription DECLARED { FIELDS }"


class Catalogue:
    """The questions of whoever holds ``mine`` and has come by what ``others`` hold."""

    def __init__(self, schema: GraphQLSchema, mine: Holding, others: list[Holding]) -> None:
        self.schema = schema
        self.mine = mine
        self.others = others
        self.values = Values(mine)

    def queries(self) -> Iterator[Question]:
        """Every field of the root and of every node, with all its arguments."""
        assert self.schema.query_type
        for name, found in self.schema.query_type.fields.items():
            yield combined(f"Query.{name}", found.type, QUERY, self._variants(found))
        for type_name in NODE_TYPES:
            kind: Any = self.schema.type_map[type_name]
            own = self.mine.ids(type_name)[0]
            for name, found in kind.fields.items():
                if found.args:
                    inside = f"node(id: $own) {{ id ... on {type_name} {{ FIELDS }} }}"
                    question = combined(
                        f"{type_name}.{name}",
                        found.type,
                        f"query DECLARED {{ {inside} }}",
                        self._variants(found),
                    )
                    question.text = question.text.replace("query (", "query ($own: ID!, ", 1)
                    question.variables["own"] = own
                    yield question

    def _variants(self, found: GraphQLField) -> list[Variant]:
        if "first" in found.args:
            return list(self._pages(found))
        deep = selection(found.type, DEEP)
        if not found.args:
            return [(deep, {})]
        variants: list[Variant] = []
        for held in (self.mine, *self.others):
            for name, argument in found.args.items():
                for value in self._each(name, argument.type, held):
                    chosen = deep if held is self.mine else selection(found.type, 1)
                    variants.append((chosen, {name: (argument.type, value)}))
        return variants

    def _each(self, name: str, kind: Any, held: Holding) -> list[Any]:
        named = get_named_type(kind)
        if name == "id":
            return [id_ for type_name in NODE_TYPES for id_ in held.ids(type_name)[:1]]
        if isinstance(named, GraphQLEnumType):
            return list(named.values)
        return [self.values.of(kind, name, held)]

    def _pages(self, found: GraphQLField) -> Iterator[Variant]:
        arguments = found.args
        row_type = get_named_type(found.type).name.removesuffix("Connection")
        first = {"first": (arguments["first"].type, PAGE)}
        shallow = selection(found.type, SHALLOW)
        yield selection(found.type, DEEP), first
        yield shallow, {"last": (arguments["last"].type, PAGE)}
        order_type: Any = get_named_type(arguments["orderBy"].type)
        fields = get_named_type(order_type.fields["field"].type).values
        for field_name in fields:
            for direction in get_named_type(order_type.fields["direction"].type).values:
                value = {"field": field_name, "direction": direction}
                self.values.seen.update(f"{order_type.name}.{name}" for name in value)
                by = {**first, "orderBy": (order_type, value)}
                yield shallow, by
                order = Order(field_name.lower(), descending=direction == "DESC")
                for held in self.others:
                    for bound in ("after", "before"):
                        cursor = held.cursor(row_type, order)
                        yield shallow, {**by, bound: (arguments[bound].type, cursor)}
        if "filter" in arguments:
            filter_type: Any = get_named_type(arguments["filter"].type)
            for held in (self.mine, *self.others):
                for name in filter_type.fields:
                    chosen = self.values.input(filter_type, {name: held})
                    yield shallow, {**first, "filter": (filter_type, chosen)}

    def mutations(self, *, of_others: bool) -> Iterator[Question]:
        """Every mutation on one's own things, or with at least one thing of others in it."""
        assert self.schema.mutation_type
        fields = self.schema.mutation_type.fields
        for name, found in sorted(
            fields.items(), key=lambda item: LAST.index(item[0]) if item[0] in LAST else -1
        ):
            chosen = selection(found.type, 1)
            if not found.args:
                if not of_others:
                    yield combined(f"Mutation.{name}", found.type, MUTATION, [(chosen, {})])
                continue
            kind: Any = get_named_type(found.args["input"].type)
            inputs = self._foreign_inputs(kind) if of_others else self._own_inputs(kind)
            for value in inputs:
                variant = (chosen, {"input": (found.args["input"].type, value)})
                yield combined(f"Mutation.{name}", found.type, MUTATION, [variant])

    def _foreign_inputs(self, kind: GraphQLInputObjectType) -> Iterator[dict[str, Any]]:
        given = [
            name
            for name, found in kind.fields.items()
            if get_named_type(found.type).name == "ID"
            or name in (*PLACES, "email", "idempotencyKey")
        ]
        own = dict.fromkeys(kind.fields, self.mine)
        for held in self.others:
            for name in given:
                yield self.values.input(kind, {**own, name: held})
            if given:
                yield self.values.input(kind, dict.fromkeys(kind.fields, held))

    def _own_inputs(self, kind: GraphQLInputObjectType) -> Iterator[dict[str, Any]]:
        for self.values.place in (1, 0):
            yield self.values.input(kind, dict.fromkeys(kind.fields, self.mine))

    def subscriptions(self) -> Iterator[Question]:
        """Every subscription, following what is one's own and what is others'."""
        assert self.schema.subscription_type
        for name, found in self.schema.subscription_type.fields.items():
            chosen = selection(found.type, 1)
            for held in (self.mine, *self.others):
                for topic, argument in found.args.items():
                    if topic == "after":
                        continue
                    arguments = {topic: (argument.type, self.values.of(argument.type, topic, held))}
                    yield combined(
                        f"Subscription.{name}", found.type, SUBSCRIPTION, [(chosen, arguments)]
                    )
                    if "after" in found.args:
                        for other in self.others:
                            after = (found.args["after"].type, other.event_cursor)
                            variant = (chosen, {**arguments, "after": after})
                            yield combined(
                                f"Subscription.{name}", found.type, SUBSCRIPTION, [variant]
                            )

    def following_own(self, answers: list[Answer]) -> list[Answer]:
        """Those of the answers whose question follows what is one's own."""
        own = {
            self.mine.code,
            *(id_ for type_name in NODE_TYPES for id_ in self.mine.ids(type_name)),
        }
        return [answer for answer in answers if own & set(answer.question.variables.values())]

    def covered(self, questions: list[Question]) -> set[str]:
        """The fields, arguments and input fields that these questions have in them."""
        info = TypeInfo(self.schema)
        found = set(self.values.seen)

        class Noting(Visitor):
            def enter_field(self, node: Any, *_: Any) -> None:
                parent = info.get_parent_type()
                assert parent
                name = f"{parent.name}.{node.name.value}"
                found.add(name)
                found.update(f"{name}({a.name.value})" for a in node.arguments or ())

        for text in {question.text for question in questions}:
            visit(parse(text), TypeInfoVisitor(info, Noting()))
        return found
