"""Which columns of each table a document asks for, so that reads fetch no others.

One answer holds for the whole document: rows of a table have the same columns wherever they stand
in it, so that one loader serves them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)

from graph.executor.batch import COLUMNS, batch_of, strawberry_field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphql import DocumentNode

    from domain.models import Base


def selected(schema: GraphQLSchema, document: DocumentNode) -> Mapping[type[Base], frozenset[str]]:
    """The columns that the fields of a valid document read, by table.

    A table is missing where one of its fields is resolved by code that may read any column.
    """
    finder = _Finder(schema)
    visit(document, TypeInfoVisitor(finder.types, finder))
    return {
        model: frozenset(names)
        for model, names in finder.found.items()
        if model not in finder.opaque
    }


class _Finder(Visitor):
    def __init__(self, schema: GraphQLSchema) -> None:
        super().__init__()
        self._schema = schema
        self.types = TypeInfo(schema)
        self.found: dict[type[Base], set[str]] = {}
        self.opaque: set[type[Base]] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self.types.get_parent_type()
        name = node.name.value
        possible: list[GraphQLObjectType] = []
        if isinstance(parent, GraphQLObjectType):
            possible = [parent]
        elif isinstance(parent, GraphQLInterfaceType):
            possible = self._schema.get_possible_types(parent)
        for type_ in possible:
            model = getattr(type_.is_type_of, "model", None)
            if model is not None and not name.startswith("__"):
                self._note(model, type_.fields[name])

    def _note(self, model: type[Base], field: GraphQLField) -> None:
        names = self.found.setdefault(model, set())
        own = strawberry_field(field)
        if own is None:
            self.opaque.add(model)
        elif batch_of(field) is not None and COLUMNS in own.metadata:
            names.update(own.metadata[COLUMNS])
        elif own.is_basic_field and own.python_name in model.__table__.columns:
            names.add(own.python_name)
        else:
            self.opaque.add(model)
