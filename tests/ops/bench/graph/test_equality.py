from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ops.bench.graph.cases import HAND_WRITTEN, OURS
from ops.bench.graph.equality import require_equal
from ops.bench.graph.servers import Server
from ops.bench.graph.shapes import Sample, shapes
from ops.failure import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

NODE = shapes(Sample("an-id", "a-cursor"))["node"]
ANSWER = b'{"data": {"node": {"id": "1", "rows": [1, 2.5]}}}'


@contextmanager
def answering(name: str, body: bytes, status: int = 200) -> Iterator[tuple[Server, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("content-length", "0")))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keeps quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Server(name, http.server_port, ()), asked
        finally:
            http.shutdown()
            thread.join()


def compare(body: bytes, status: int = 200) -> None:
    with answering(OURS, ANSWER) as (ours, _), answering(HAND_WRITTEN, body, status) as (hand, _):
        require_equal(NODE, [ours, hand], "a token")


def test_the_same_values_written_otherwise_are_equal() -> None:
    compare(b'{ "data":{"node":{"id":"\\u0031","rows":[1,2.5]}}}\n')


def test_asks_the_graph_by_its_document_and_the_hand_written_server_by_address() -> None:
    with (
        answering(OURS, ANSWER) as (ours, asked),
        answering(HAND_WRITTEN, ANSWER) as (hand, others),
    ):
        require_equal(NODE, [ours, hand], "a token")
    assert asked == ["POST /graphql"]
    assert others == ["GET /node?id=an-id"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"node": {"id": "1", "rows": [1, 2.6]}}}',
        b'{"data": {"node": {"id": "1", "rows": [1]}}}',
        b'{"data": {"node": {"rows": [1, 2.5], "id": "1"}}}',
        b'{"data": {"node": {"id": "1", "rows": [1, 2.5], "more": null}}}',
    ],
)
def test_another_value_or_another_order_of_keys_is_refused(body: bytes) -> None:
    with pytest.raises(CommandFailed, match="hand-written answers node unlike aetherflow, at byte"):
        compare(body)


def test_an_answer_with_errors_or_without_data_is_refused() -> None:
    for body in (
        b'{"data": {"node": {"id": "1"}}, "errors": []}',
        b'{"data": {"node": null}}',
        b'{"data": null}',
    ):
        with pytest.raises(CommandFailed, match="hand-written can't answer node"):
            compare(body)
    with pytest.raises(CommandFailed, match="hand-written answers node with 503"):
        compare(ANSWER, 503)
