"""Makes operations out of the schema itself: every field, with every argument, of every type.

What the walk can't give a value to by itself it refuses, so a new field or argument fails here
until somebody has said what it means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_leaf_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.graph.leaks.holdings import Holding

PAGE = 100
DEEP, SHALLOW = 1, 0

NODE_OF = {
    "departmentId": "Department",
    "parentId": "Department",
    "workspaceId": "Workspace",
    "datasetId": "Dataset",
    "uploadId": "Upload",
    "jobId": "Job",
    "userId": "User",
    "ownerId": "User",
    "uploaderId": "User",
    "managerId": "User",
    "actorId": "User",
    "recordId": "Dataset",
    "sessionId": "Session",
    "apiTokenId": "ApiToken",
    "linkedIdentityId": "LinkedIdentity",
}
"""What the ids of this name are ids of."""

NODE_TYPES = (
    "Department",
    "User",
    "Workspace",
    "Dataset",
    "Upload",
    "Job",
    "JobAttempt",
    "Result",
    "AuditLog",
)


PLACES = ("department", "departments", "parent")
"""Names of texts that name a department."""

WORDS: dict[str, Callable[[Holding], Any]] = {
    "code": lambda held: held.code,
    "nameContains": lambda held: held.mark,
    "fullNameContains": lambda held: held.mark,
    "emailContains": lambda held: held.mark,
    "errorCode": lambda held: f"{held.mark}CODE",
    "resultType": lambda held: held.realm.row("results").result_type,
    "idempotencyKey": lambda held: held.key,
    "email": lambda held: held.realm.colleague.email,
    "role": lambda _: "viewer",
    "roles": lambda _: "viewer",
    "name": lambda _: "Walked",
    "fullName": lambda _: "Walked",
    "description": lambda _: "Walked",
    "fileName": lambda _: "walked.csv",
    "contentType": lambda _: "text/csv",
    "sha256": lambda _: "c" * 64,
    "etag": lambda _: "walked",
    "password": lambda _: "not the right password",
    "oldPassword": lambda _: "not the right password",
    "newPassword": lambda _: "another right password",
    "refreshToken": lambda _: "not.a.token",
    "tableName": lambda _: "datasets",
    "permissions": lambda _: "dataset:read",
    "provider": lambda _: "provider",
    "verifier": lambda _: "verifier",
}
"""What the texts of this name say when a holding is behind them."""

RIGHT: dict[str, Callable[[Holding], Any]] = {
    "password": lambda held: held.password,
    "oldPassword": lambda held: held.password,
    "refreshToken": lambda held: held.refresh_token,
    "idempotencyKey": lambda _: uuid4().hex,
}
"""What only who it belongs to can say, and keys of its own."""

NEW: dict[tuple[str, str], Callable[[], str]] = {
    ("CreateUserInput", "email"): lambda: f"{uuid4().hex}@example.com",
    ("CreateDepartmentInput", "code"): lambda: f"d{uuid4().hex}",
}
"""What must be new, where it is the caller's own to choose."""

MOMENTS = {
    "createdFrom": "2020-01-01T00:00:00Z",
    "createdBefore": "2100-01-01T00:00:00Z",
    "completedFrom": "2020-01-01T00:00:00Z",
    "completedBefore": "2100-01-01T00:00:00Z",
    "expiresAt": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
}

SCALARS: dict[str, Any] = {"Int": 5, "BigInt": 1000, "Boolean": True, "JSON": {}}


@dataclass
class Question:
    """One operation; ``given`` are the texts in it, which an answer may repeat."""

    name: str
    text: str
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> list[str]:
        """The texts of the variables."""
        return list(_texts(self.variables))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


class Values:
    """Gives arguments their values; ``seen`` notes which fields of inputs were given one.

    Passwords and tokens are right where they are the caller's own.
    """

    def __init__(self, mine: Holding) -> None:
        self.mine = mine
        self.place = 0
        """Which of several rows stands for its kind."""
        self.seen: set[str] = set()

    def of(self, kind: Any, name: str, held: Holding) -> Any:
        """A value of this type for what has this name, out of a holding."""
        if isinstance(kind, GraphQLNonNull):
            return self.of(kind.of_type, name, held)
        named = get_named_type(kind)
        if isinstance(kind, GraphQLList):
            if name == "ids":
                return [id_ for type_name in NODE_TYPES for id_ in held.ids(type_name)]
            several = isinstance(named, GraphQLEnumType)
            return list(named.values) if several else [self.of(kind.of_type, name, held)]
        if isinstance(kind, GraphQLInputObjectType):
            return self.input(kind, dict.fromkeys(kind.fields, held))
        if isinstance(kind, GraphQLEnumType):
            return next(iter(kind.values))
        return self._scalar(kind.name, name, held)

    def input(self, kind: GraphQLInputObjectType, fields: dict[str, Holding]) -> dict[str, Any]:
        """An input object of these fields, each out of the holding that is named for it."""
        self.seen.update(f"{kind.name}.{name}" for name in fields)
        value = {}
        for name, held in fields.items():
            new = NEW.get((kind.name, name)) if held is self.mine else None
            value[name] = new() if new else self.of(kind.fields[name].type, name, held)
        return value

    def _scalar(self, kind: str, name: str, held: Holding) -> Any:
        if kind == "ID":
            ids = held.ids(NODE_OF[name])
            return ids[self.place % len(ids)]
        if kind == "String":
            if held is self.mine and name in RIGHT:
                return RIGHT[name](held)
            return held.code if name in PLACES else WORDS[name](held)
        return MOMENTS[name] if kind == "DateTime" else SCALARS[kind]


def selection(kind: Any, depth: int) -> str:
    """All fields of a type; of the rows that it leads to as well, so many rows deep as told."""
    kind = get_named_type(kind)
    if is_leaf_type(kind):
        return ""
    passes = kind.name.endswith(("Connection", "Edge", "Payload")) or kind.name in PASSES
    parts = ["__typename"]
    for name, found in kind.fields.items():
        inner = get_named_type(found.type)
        if is_leaf_type(inner):
            parts.append(f"{name}{_fixed(found)}")
        elif passes or inner.name in VALUES:
            parts.append(f"{name}{_fixed(found)} {selection(inner, depth)}")
        elif depth > 0:
            parts.append(f"{name}{_fixed(found)} {selection(inner, depth - 1)}")
    return "{ " + " ".join(parts) + " }"


PASSES = {"Viewer", "OpenUpload", "JobEvent", "Queue", "DepartmentQueue"}
"""Types that are only what rows come in, as edges and payloads are."""

VALUES = {
    "PageInfo",
    "Actor",
    "Role",
    "UploadPart",
    "RequestHeader",
    "DownloadUrl",
    "WorkerLoad",
    "Session",
    "LinkedIdentity",
    "SignInProvider",
}
"""Types that lead nowhere further."""


def _fixed(found: GraphQLField) -> str:
    if "first" in found.args:
        return f"(first: {PAGE})"
    required = {n: a for n, a in found.args.items() if isinstance(a.type, GraphQLNonNull)}
    words = []
    for name, argument in required.items():
        kind: Any = get_named_type(argument.type)
        words.append(f"{name}: {next(iter(kind.values))}")
    return f"({', '.join(words)})" if words else ""


def everything(schema: GraphQLSchema) -> set[str]:
    """Every field, argument and input field of a schema, as the walk names them."""
    found: set[str] = set()
    for name, kind in schema.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(kind, GraphQLInputObjectType):
            found.update(f"{name}.{field_name}" for field_name in kind.fields)
        elif isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            for field_name, found_field in kind.fields.items():
                found.add(f"{name}.{field_name}")
                found.update(f"{name}.{field_name}({arg})" for arg in found_field.args)
    return found


Variant = tuple[str, dict[str, tuple[Any, Any]]]
"""How a field is asked: its selection, and its arguments with their types and values."""


def combined(name: str, kind: Any, wrapped: str, variants: Iterable[Variant]) -> Question:
    """One operation that asks a field of this type in several ways, each under its own alias.

    ``wrapped`` is the text around the field, ``DECLARED`` and ``FIELDS`` in their places.
    """
    declared: list[str] = []
    variables: dict[str, Any] = {}
    asked: list[str] = []
    fragments: dict[str, str] = {}
    for number, (chosen, arguments) in enumerate(variants):
        words = []
        for argument, (argument_type, value) in arguments.items():
            variable = f"v{number}_{argument}"
            declared.append(f"${variable}: {argument_type}")
            variables[variable] = value
            words.append(f"{argument}: ${variable}")
        inside = f"({', '.join(words)})" if words else ""
        # The same selection many times over would make a document that takes long to check.
        fragment = fragments.setdefault(chosen, f"f{len(fragments)}")
        spread = f"{{ ...{fragment} }}" if chosen else ""
        asked.append(f"a{number}: {name.rpartition('.')[2]}{inside} {spread}")
    head = f"({', '.join(declared)})" if declared else ""
    text = wrapped.replace("DECLARED", head).replace("FIELDS", " ".join(asked))
    for chosen, fragment in fragments.items():
        if chosen:
            text += f" fragment {fragment} on {get_named_type(kind)} {chosen}"
    return Question(name, text, variables)
