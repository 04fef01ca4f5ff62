from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.catalog import names
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sales.csv", "sales.csv"),
        ("  a b.csv ", "a b.csv"),
        ("C:\\Users\\me\\sales.csv", "sales.csv"),
        ("../../etc/passwd.csv", "passwd.csv"),
        ("/home/me/März.csv", "März.csv"),
    ],
)
def test_a_file_name_loses_its_folders(given: str, kept: str) -> None:
    assert names.file_named(given, "fileName") == kept


@pytest.mark.parametrize(
    ("check", "value", "code"),
    [
        (names.file_named, "", "empty"),
        (names.file_named, "folder/", "empty"),
        (names.file_named, "..", "empty"),
        (names.file_named, "a\0.csv", "bad_character"),
        (names.file_named, "a\n.csv", "bad_character"),
        (names.file_named, "a\ud800.csv", "bad_character"),
        (names.file_named, "a" * 256, "too_long"),
        (names.named, " \t ", "empty"),
        (names.named, "a\x7f", "bad_character"),
        (names.described, "a" * 10_001, "too_long"),
        (names.described, "a\0", "bad_character"),
        (names.hash_named, "abc", "not_a_sha256"),
        (names.hash_named, "g" * 64, "not_a_sha256"),
        (names.media_named, "csv", "not_a_content_type"),
        (names.media_named, "text/csv\r\nX-Evil: 1", "not_a_content_type"),
        (names.media_named, "text/" + "a" * 300, "not_a_content_type"),
    ],
)
def test_refuses(check: Callable[[str, str], object], value: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(value, "here")
    assert [(field.path, field.code) for field in refused.value.fields] == [(("here",), code)]


def test_keeps_texts_as_they_are_meant() -> None:
    assert names.described(" two\n\tlines ", "description") == "two\n\tlines"
    assert names.described("  ", "description") is None
    assert names.described(None, "description") is None
    assert names.hash_named(" " + "AB" * 32, "sha256") == "ab" * 32
    assert names.hash_named(None, "sha256") is None
    assert names.media_named("Text/CSV; charset=UTF-8", "contentType") == "text/csv; charset=utf-8"
