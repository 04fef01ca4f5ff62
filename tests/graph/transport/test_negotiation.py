from __future__ import annotations

import pytest

from graph.transport.negotiation import (
    EVENT_STREAM,
    HTML,
    JSON,
    RESPONSE_JSON,
    acceptable,
    is_json,
)

ALL = (JSON, RESPONSE_JSON, EVENT_STREAM, HTML)


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("", (JSON,)),
        ("*/*", (JSON,)),
        ("application/*", (JSON,)),
        ("application/json", (JSON,)),
        ("Application/JSON; charset=utf-8", (JSON,)),
        ("application/graphql-response+json", (RESPONSE_JSON,)),
        ("application/graphql-response+json, application/json;q=0.9", (RESPONSE_JSON, JSON)),
        ("application/json;q=0.9, application/graphql-response+json", (RESPONSE_JSON, JSON)),
        ("application/json, text/event-stream", (JSON, EVENT_STREAM)),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", (HTML, JSON)),
        ("text/event-stream;q=0, application/json", (JSON,)),
        ("application/json;q=high", ()),
        ("image/png", ()),
        ("text/*", (EVENT_STREAM,)),
        ("x" * 2000, (JSON,)),
    ],
)
def test_prefers_what_the_header_prefers(accept: str, taken: tuple[str, ...]) -> None:
    assert acceptable(accept, ALL) == taken


def test_event_streams_alone_answer_a_wildcard_but_not_json() -> None:
    assert acceptable("*/*", (EVENT_STREAM,)) == (EVENT_STREAM,)
    assert acceptable("application/*", (EVENT_STREAM,)) == ()


@pytest.mark.parametrize(
    ("content_type", "json"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ('APPLICATION/JSON;charset="UTF-8"', True),
        ("application/json; charset=latin-1", False),
        ("application/jsonp", False),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
    ],
)
def test_knows_json_in_utf_8(content_type: str, json: bool) -> None:  # noqa: FBT001 (a column of the table above)
    assert is_json(content_type) is json
