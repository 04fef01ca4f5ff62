from __future__ import annotations

import pytest
from graphql import OperationType

from graph.transport.documents import Documents
from tests.graph.transport.schema import schema


def documents(size: int = 10, characters: int = 10_000) -> Documents:
    return Documents(schema._schema, size, characters=characters)


def test_keeps_what_was_read() -> None:
    kept = documents()
    assert kept.get("{ hello }") is kept.get("{ hello }")
    assert kept.get("{ hello }") is not kept.get("{ hello  }")


def test_forgets_the_least_recently_used_above_its_size() -> None:
    kept = documents(size=2)
    first = kept.get("{ a: hello }")
    second = kept.get("{ b: hello }")
    assert kept.get("{ a: hello }") is first
    kept.get("{ c: hello }")
    assert len(kept) == 2
    assert kept.get("{ a: hello }") is first
    assert kept.get("{ b: hello }") is not second


def test_forgets_above_its_characters() -> None:
    kept = documents(size=1000, characters=100)
    for number in range(100):
        kept.get(f"{{ a{number}: hello }}")
    assert 0 < len(kept) < 10


def test_does_not_keep_a_text_that_would_drive_out_the_others() -> None:
    kept = documents(characters=100)
    short = kept.get("{ hello }")
    kept.get("{ " + "hello " * 20 + "}")
    assert len(kept) == 1
    assert kept.get("{ hello }") is short


def test_reads_a_long_text_once_for_an_operation() -> None:
    kept = documents(characters=100)
    long = "{ " + "hello " * 20 + "}"
    assert kept.get(long) is kept.get(long)


def test_refuses_more_words_than_a_document_may_have() -> None:
    (error,) = documents().get("{ " + "hello " * 20_000 + "}").errors
    assert "10000" in error.message


@pytest.mark.parametrize("text", ['{ hello(name: "a\\u0000b") }', '{ hello(name: "a\0b") }'])
def test_refuses_nul_in_text(text: str) -> None:
    (error,) = documents().get(text).errors
    assert "NUL" in error.message
    assert error.locations


def test_refuses_a_number_that_is_too_long_to_be_read() -> None:
    for text in ("{ hello(name: %s) }", "{ hello(unknown: [-%s]) }"):
        (error,) = documents().get(text % ("9" * 5000)).errors
        assert error.message == "This number is too long."
        assert error.locations
    assert not documents().get('{ hello(name: "%s") }' % ("9" * 5000)).errors


@pytest.mark.parametrize(
    "text", ['{ hello(name: "\\u00e9") }', '{ hello(name: "\\\\u0000") }', '{ hello(name: "é") }']
)
def test_accepts_other_characters(text: str) -> None:
    assert not documents().get(text).errors


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("{ hello }", None, OperationType.QUERY),
        ("query A { hello }", None, OperationType.QUERY),
        ("query A { hello }", "A", OperationType.QUERY),
        ("query A { hello }", "B", None),
        ("query A { hello }", "", None),
        ("query A { hello } mutation B { write(text: 1) }", "A", None),
        ('query A { hello } mutation B { write(text: "x") }', "B", OperationType.MUTATION),
        ('query A { hello } mutation B { write(text: "x") }', None, None),
        ("{", None, None),
    ],
)
def test_knows_the_operation_that_would_run(
    text: str, name: str | None, kind: OperationType | None
) -> None:
    operation = documents().get(text).operation(name)
    assert (operation and operation.operation) is kind
