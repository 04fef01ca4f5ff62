from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from domain.catalog.models import Dataset
from domain.errors import InvalidInput
from domain.filters import Condition, Operator
from domain.jobs.models import Job, JobEvent
from domain.paging import NEWEST, Order, Page, cursor_of, decoded_cursor


def packed(*values: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


KEY = "4c6b1ca3-8bcb-4a0a-b5d1-f66fa3d68955"  # the same in every process that collects tests
MOMENT = "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "====",
        "\ud800",
        packed(),
        packed("created_at:desc"),
        packed("created_at:desc", MOMENT),
        packed("created_at:desc", MOMENT, KEY, 1),
        packed("created_at:desc", MOMENT, 5),
        packed("created_at:desc", MOMENT, None),
        packed("created_at:desc", MOMENT, "no uuid"),
        packed("created_at:desc", 5, KEY),
        packed("created_at:desc", None, KEY),
        packed("created_at:desc", "yesterday", KEY),
        packed("created_at:desc", "2026-01-01T00:00:00", KEY),
        packed("created_at:desc", "0001-01-01T00:00:00+23:00", KEY),
        packed("created_at:desc", "9999-12-31T23:59:59-23:00", KEY),
        base64.urlsafe_b64encode(b"5").decode(),
        base64.urlsafe_b64encode(b"null").decode(),
        base64.urlsafe_b64encode(b'{"a":1}').decode(),
        base64.urlsafe_b64encode(b"[" * 3000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
@pytest.mark.parametrize("argument", ["after", "before"])
def test_refuses_what_is_no_cursor(text: str, argument: str) -> None:
    page = Page(1, after=text) if argument == "after" else Page(1, before=text)
    with pytest.raises(InvalidInput) as refusal:
        page.arguments(Dataset)
    (fault,) = refusal.value.fields
    assert (fault.path, fault.code) == ((argument,), "bad_cursor")


@given(text=st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@hypothesis_settings(max_examples=200, deadline=None, derandomize=True)
def test_refuses_any_text_that_it_did_not_write(text: str) -> None:
    with pytest.raises(InvalidInput):
        decoded_cursor(text, NEWEST, Dataset, "after")


@pytest.mark.parametrize("value", [5, None, True, "a\0b", 2**31, [1]], ids=repr)
def test_refuses_a_value_that_its_column_could_not_hold(value: Any) -> None:
    column = "priority" if value == 2**31 or value is True else "queue_message_id"
    text = packed(f"{column}:asc", value, KEY)
    with pytest.raises(InvalidInput):
        decoded_cursor(text, Order(column, descending=False), Job, "after")


def test_takes_numbers_as_large_as_their_columns() -> None:
    for value, column in ((2**31 - 1, "priority"), (2**62, "lease_token")):
        order = Order(column)
        assert decoded_cursor(packed(order.name, value, KEY), order, Job, "after") == (
            value,
            UUID(KEY),
        )
    assert decoded_cursor(packed("id:desc", 2**40, 2**40), Order("id"), JobEvent, "after") == (
        2**40,
        2**40,
    )


@pytest.mark.parametrize("other", [Order("name"), Order("created_at", descending=False)])
def test_refuses_the_cursor_of_another_order(other: Order) -> None:
    row: Any = {"id": KEY, "name": "a", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    cursor = cursor_of(row, other)
    with pytest.raises(InvalidInput) as refusal:
        Page(1, after=cursor).arguments(Dataset)
    assert refusal.value.fields[0].code == "other_order"
    values = Page(1, after=cursor, order=other).arguments(Dataset)
    assert (values["after"], values["after_id"]) == (row[other.column], UUID(KEY))


@pytest.mark.parametrize(
    "value",
    ["a\0b", "\ud800", datetime(1, 1, 1, tzinfo=UTC).replace(tzinfo=None), ["ok", "a\0b"]],
    ids=["nul", "half a pair", "no offset", "nul in a list"],
)
def test_refuses_a_filter_that_the_database_could_not_take(value: Any) -> None:
    with pytest.raises(InvalidInput):
        _ = Condition("name", Operator.IN, value).argument
