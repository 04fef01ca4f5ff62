from __future__ import annotations

import gzip
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from workers.engines.errors import FileError, FileErrorCode

if TYPE_CHECKING:
    from tests.workers.engines.conftest import Engine

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"


def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr(zipfile.ZipInfo("table.csv"), "a,b\n1,2\n")
    return packed.getvalue()


@pytest.mark.parametrize("file_type", ["csv", "tsv", "json", "jsonl", "xml", "excel", "parquet"])
def test_nothing_is_an_empty_file(engine: Engine, file_type: str) -> None:
    assert engine.refusal(b"", file_type) is FileErrorCode.EMPTY_FILE


@pytest.mark.parametrize("file_type", ["csv", "tsv", "json", "jsonl", "xml", "excel", "parquet"])
def test_an_image_is_no_table_whatever_it_is_called(engine: Engine, file_type: str) -> None:
    assert engine.refusal(PNG, file_type) is FileErrorCode.NOT_THE_TYPE


@pytest.mark.parametrize(
    ("content", "file_type"),
    [
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "csv"),
        (archive(), "csv"),
        (archive(), "excel"),
        (b"PAR1....PAR1", "csv"),
        (b"a,b\n1,2\n", "excel"),
        (b"a,b\n1,2\n", "parquet"),
        (b"a,b\n1,2\n", "json"),
        (b"a,b\n1,2\n", "xml"),
        (b'<?xml version="1.0"?><a><b/></a>', "csv"),
        (b"<!DOCTYPE html><html></html>", "csv"),
        ("<html></html>".encode("utf-16"), "csv"),
        (b"<html><body/></html>", "xml"),
        (bytes(range(256)) * 8, "csv"),
        (b"\0" * 5000, "csv"),
        (b"%PDF-1.7 ...", "tsv"),
    ],
)
def test_content_that_is_something_else_is_refused(
    engine: Engine, content: bytes, file_type: str
) -> None:
    assert engine.refusal(content, file_type) is FileErrorCode.NOT_THE_TYPE


def test_a_refusal_says_what_was_found_and_what_to_do(engine: Engine) -> None:
    with pytest.raises(FileError) as caught:
        engine.validate(PNG)
    assert caught.value.message == (
        "The file is called csv, but its content is a PNG image."
        " Upload it again under its true type, unpacked."
    )
    assert caught.value.retryable is False


def test_a_cut_off_parquet_file_is_unreadable(engine: Engine) -> None:
    assert engine.refusal(b"PAR1" + b"x" * 100, "parquet") is FileErrorCode.UNREADABLE
    assert engine.refusal(b"PARE" + b"x" * 100, "parquet") is FileErrorCode.UNREADABLE


def test_text_with_a_few_control_characters_is_text(engine: Engine) -> None:
    report = engine.validate(b"a,b\n1,bell \x07\n2,plain text\n3,more plain text\n")
    assert report["rows"]["kept"] == 3
