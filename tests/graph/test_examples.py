"""The operations that the product shows to people, and the words of its schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    parse,
    validate,
)

from graph.schema import schema, sdl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLSchema

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(ROOT.glob("web/src/*/*.graphql"))
README = (ROOT / "README.md").read_text()

BLOCK = re.compile(r"^```graphql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IN_JSON = re.compile(r'"query": ("(?:[^"\\]|\\.)*")')
IN_SCRIPT = re.compile(r"= `((?:query|mutation|subscription|\{)[^`]*)`")
SENTENCE = re.compile(r"[A-Z\d\"'].*[.]", re.DOTALL)
STANDARD = {"Boolean", "Float", "ID", "Int", "String"}


def built() -> GraphQLSchema:
    return schema()._schema


def operations_of_the_readme() -> list[str]:
    found = BLOCK.findall(README) + IN_SCRIPT.findall(README)
    return found + [json.loads(text) for text in IN_JSON.findall(README)]


def test_there_are_operations_to_look_at() -> None:
    folders = {path.parent.name for path in PAGES}
    assert folders == {"examples", "operations"}
    kinds = {
        text.split("(")[0].split("{")[0].split()[0]
        for text in operations_of_the_readme()
        if text[0] != "{"
    }
    assert kinds >= {"mutation", "subscription"}
    assert BLOCK.search(README)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_an_operation_of_the_page_is_one_of_the_schema(path: Path) -> None:
    assert validate(built(), parse(path.read_text())) == []


@pytest.mark.parametrize("text", operations_of_the_readme())
def test_an_operation_of_the_readme_is_one_of_the_schema(text: str) -> None:
    assert validate(built(), parse(text)) == []


def test_what_is_wrong_with_an_operation_is_seen() -> None:
    assert validate(built(), parse("{ viewer { secrets } }")) != []


def test_the_committed_schema_is_what_the_code_says() -> None:
    committed = (ROOT / "schema.graphql").read_text()
    assert committed == sdl(), "`./aetherflow schema --write` writes it"
    build_schema(committed)


def described() -> Iterator[tuple[str, str | None]]:
    """Everything in the schema with its description."""
    whole = built()
    for name, kind in whole.type_map.items():
        if name.startswith("__") or name in STANDARD:
            continue
        yield name, kind.description
        if isinstance(kind, GraphQLEnumType):
            for word, value in kind.values.items():
                yield f"{name}.{word}", value.description
        if isinstance(kind, GraphQLInputObjectType):
            for word, given in kind.fields.items():
                yield f"{name}.{word}", given.description
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for word, field in kind.fields.items():
                yield f"{name}.{word}", field.description
                for argument, taken in field.args.items():
                    yield f"{name}.{word}({argument}:)", taken.description


def test_everything_in_the_schema_is_described_in_a_sentence() -> None:
    everything = dict(described())
    assert len(everything) > 300
    poor = {
        name: text
        for name, text in everything.items()
        if not text or not SENTENCE.fullmatch(text) or len(text.split()) < 3
    }
    assert not poor
