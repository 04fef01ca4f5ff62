"""Documents that were parsed and validated are kept, so that the usual ones cost nothing."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from graphql import (
    ASTValidationRule,
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    StringValueNode,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql.execution.collect_fields import FragmentDetails
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

T = TypeVar("T")

RULES: tuple[type[ASTValidationRule], ...] = (
    *specified_rules,
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)

# A syntax tree takes 110 to 280 bytes for each character of its text (measured), so this much text
# is at most some 84 MB, whatever documents strangers send.
KEPT_CHARACTERS = 300_000

# Parsing and validating so many words and signs takes about 0.2 s, in which nothing else runs.
TOKENS = 10_000

# No scalar takes so long a number, and Python refuses to read one of more than 4,300 digits.
DIGITS = 400
LONG_NUMBER = re.compile(rf"[0-9]{{{DIGITS}}}")


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document's syntax tree, or the errors that refuse it, with what is known of it."""

    schema: GraphQLSchema
    node: DocumentNode
    errors: tuple[GraphQLError, ...] = ()
    operations: dict[str, OperationDefinitionNode] = field(default_factory=dict)
    """Each operation by its name; the one without a name stands under ""."""
    fragments: dict[str, FragmentDetails] = field(default_factory=dict)
    choosing: tuple[str, ...] = ()
    """The variables that `@skip` and `@include` name anywhere in it."""
    _derived: dict[Any, Any] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Gives the operation that would run, None when none can be chosen."""
        if self.errors:
            return None
        if name is None:
            return next(iter(self.operations.values())) if len(self.operations) == 1 else None
        return self.operations.get(name) if name else None

    def derived(self, derive: Callable[[GraphQLSchema, DocumentNode], T]) -> T:
        """Gives what a function makes of the document, which is kept as long as it is."""
        if derive not in self._derived:
            self._derived[derive] = derive(self.schema, self.node)
        made: T = self._derived[derive]
        return made


class Documents:
    """The documents of one schema, the least recently used of them forgotten first.

    Bounded by their number and by the characters of their texts together.
    """

    def __init__(
        self, schema: GraphQLSchema, size: int, *, characters: int = KEPT_CHARACTERS
    ) -> None:
        self._schema = schema
        self._size = size
        self._characters = characters
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._kept_characters = 0
        self._latest: tuple[str, Document] | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, text: str) -> Document:
        """Gives the document with this text, parsed and validated; it never raises."""
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        # One operation asks more than once, also for a text that is too long to be kept.
        if self._latest is not None and self._latest[0] == text:
            return self._latest[1]
        document = self._read(text)
        self._latest = (text, document)
        self._keep(text, document)
        return document

    def _read(self, text: str) -> Document:
        try:
            node = parse(text, max_lexical_tokens=TOKENS)
        except GraphQLError as error:
            nothing = DocumentNode(definitions=())
            return Document(self._schema, nothing, (error.with_traceback(None),))
        suspect = "\0" in text or "\\u" in text or LONG_NUMBER.search(text)
        errors = _literal_errors(node) if suspect else []
        errors = errors or validate(self._schema, node, RULES)
        operations: dict[str, OperationDefinitionNode] = {}
        fragments: dict[str, FragmentDetails] = {}
        for definition in node.definitions:
            if isinstance(definition, OperationDefinitionNode):
                operations[definition.name.value if definition.name else ""] = definition
            elif isinstance(definition, FragmentDefinitionNode):
                fragments[definition.name.value] = FragmentDetails(definition)
        choosing = () if errors else _choosing(node)
        return Document(self._schema, node, tuple(errors), operations, fragments, choosing)

    def _keep(self, text: str, document: Document) -> None:
        # One long text would drive out all the others.
        if len(text) > self._characters // 4:
            return
        self._kept[text] = document
        self._kept_characters += len(text)
        while len(self._kept) > self._size or self._kept_characters > self._characters:
            forgotten, _ = self._kept.popitem(last=False)
            self._kept_characters -= len(forgotten)


class _LiteralFinder(Visitor):
    """Finds what no argument takes: NUL characters, which PostgreSQL refuses, and long numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[GraphQLError] = []

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        if "\0" in node.value:
            self.errors.append(GraphQLError("Text must not contain a NUL character.", node))

    def enter_int_value(self, node: IntValueNode, *_: object) -> None:
        if len(node.value) >= DIGITS:
            self.errors.append(GraphQLError("This number is too long.", node))


class _ChoiceFinder(Visitor):
    """Finds the variables that decide whether a selection is made at all."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        if node.name.value in {"skip", "include"}:
            values = [argument.value for argument in node.arguments or ()]
            self.names.update(v.name.value for v in values if isinstance(v, VariableNode))


def _choosing(node: DocumentNode) -> tuple[str, ...]:
    finder = _ChoiceFinder()
    visit(node, finder)
    return tuple(sorted(finder.names))


def _literal_errors(node: DocumentNode) -> list[GraphQLError]:
    finder = _LiteralFinder()
    visit(node, finder)
    return finder.errors
