"""The shapes of the measured requests: as GraphQL, and as the address of a hand-written endpoint.

What a shape selects stands in one place for all servers; that their answers are equal is checked
before anything is measured.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

VIEWER = "query Viewer { viewer { user { id email fullName } } }"

NODE = """
query Dataset($id: ID!) {
  node(id: $id) {
    id
    ... on Dataset { name description fileType fileSizeBytes rowCount status createdAt }
  }
}
"""

NESTED = """
query Nested($first: Int!) {
  datasets(first: $first) {
    nodes {
      id name fileType fileSizeBytes rowCount status createdAt
      uploader { id displayName }
      jobs(first: 3) { nodes { id jobType status progress createdAt completedAt } }
      results(first: 2) { nodes { id resultType createdAt } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

FLAT = """
query Flat($first: Int!) {
  datasets(first: $first) {
    nodes {
      id name description fileType contentType fileSizeBytes rowCount columnCount status
      createdAt updatedAt
    }
  }
}
"""

PAGE = """
query Page($after: String) {
  datasets(first: 20, after: $after) {
    edges { cursor node { id name status createdAt } }
    pageInfo { hasNextPage endCursor }
  }
}
"""

NESTED_SIZES = (20, 100)
FLAT_SIZES = (100, 1000, 10000)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the requests name of the loaded rows: one dataset, and a place far down their list."""

    node_id: str
    deep_cursor: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of request; ``path`` is where the hand-written server has its answer."""

    name: str
    query: str
    variables: Mapping[str, Any]
    path: str

    def request(self, token: str, *, hand_written: bool) -> bytes:
        """The request as bytes on the wire, signed in with an access token."""
        common = f"host: bench\r\naccept: application/json\r\nauthorization: Bearer {token}\r\n"
        if hand_written:
            return f"GET {self.path} HTTP/1.1\r\n{common}\r\n".encode()
        body = json.dumps({"query": self.query, "variables": dict(self.variables)}).encode()
        head = (
            f"POST /graphql HTTP/1.1\r\n{common}content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def shapes(sample: Sample) -> dict[str, Shape]:
    """All shapes by name, from the lightest to the one that takes the most memory."""
    deep = sample.deep_cursor
    listed = [
        Shape("viewer", VIEWER, {}, "/viewer"),
        Shape("node", NODE, {"id": sample.node_id}, f"/node?id={sample.node_id}"),
        Shape("page-1", PAGE, {}, "/page"),
        Shape("page-deep", PAGE, {"after": deep}, f"/page?after={deep}"),
        *(Shape(f"nested-{n}", NESTED, {"first": n}, f"/nested?first={n}") for n in NESTED_SIZES),
        *(Shape(f"flat-{n}", FLAT, {"first": n}, f"/flat?first={n}") for n in FLAT_SIZES),
    ]
    return {shape.name: shape for shape in listed}


NAMES = tuple(shapes(Sample("", "")))
