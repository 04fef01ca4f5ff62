from __future__ import annotations

import orjson
import pytest

from domain.errors import InvalidInput
from graph.transport.operation import OperationRequest
from graph.transport.parameters import from_address, from_body


def test_reads_a_body() -> None:
    body = {"query": "{a}", "operationName": "A", "variables": {"x": 1}, "extensions": {"y": 2}}
    assert from_body(orjson.dumps(body)) == OperationRequest("{a}", "A", {"x": 1}, {"y": 2})


def test_ignores_parameters_that_it_does_not_know() -> None:
    assert from_body(b'{"query": "{a}", "id": 7}') == OperationRequest("{a}")


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not JSON"),
        (b'{"query": "\xff"}', "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b'[{"query": "{a}"}]', "Batches"),
        (b"[]", "Batches"),
        (b'"{a}"', "object"),
        (b"null", "object"),
        (b"{}", '"query" is missing'),
        (b'{"query": null}', '"query" is missing'),
        (b'{"query": 1}', '"query" must be'),
        (b'{"query": "{a}", "operationName": 1}', "operationName"),
        (b'{"query": "{a}", "variables": []}', "variables"),
        (b'{"query": "{a}", "variables": "{}"}', "variables"),
        (b'{"query": "{a}", "extensions": 1}', "extensions"),
        (b'{"query": "{a}", "variables": {"x": "a\\u0000b"}}', "NUL"),
        (b'{"query": "{a}", "variables": {"x": [{"y": ["\\u0000"]}]}}', "NUL"),
        (b'{"query": "{a}", "variables": {"a\\u0000b": 1}}', "NUL"),
        (b'{"query": "{a}", "operationName": "\\u0000"}', "NUL"),
        (b'{"query": "{a}", "extensions": {"x": "\\u0000"}}', "NUL"),
    ],
)
def test_refuses_a_body(body: bytes, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        from_body(body)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    request = from_body(b'{"query": "{a}", "variables": {"x": "\\\\u0000"}}')
    assert request.variables == {"x": "\\u0000"}


def test_a_deep_value_is_searched_for_nul_without_recursion() -> None:
    deep = b"[" * 1000 + b'"\\u0000"' + b"]" * 1000
    with pytest.raises(InvalidInput, match="NUL"):
        from_body(b'{"query": "{a}", "variables": {"x": %b}}' % deep)


def test_reads_an_address() -> None:
    address = b"query=%7Ba%7D&operationName=A&variables=%7B%22x%22%3A%22%C3%A9%22%7D&extensions="
    assert from_address(address) == OperationRequest("{a}", "A", {"x": "é"}, None)


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        (b"", '"query" is missing'),
        (b"query=%7Ba%7D&variables=%7B", '"variables" is not JSON'),
        (b"query=%7Ba%7D&variables=1", "variables"),
        (b"query=%7Ba%7D&extensions=%5B%5D", "extensions"),
        (b"query=%ff", "can't be read"),
        (b"a=1&" * 100, "can't be read"),
        (b"query=%7Ba%7D&operationName=%00", "NUL"),
        (b"query=%7Ba%7D&variables=%7B%22x%22%3A%22%5Cu0000%22%7D", "NUL"),
    ],
)
def test_refuses_an_address(address: bytes, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        from_address(address)
