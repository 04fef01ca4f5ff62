from __future__ import annotations

import pytest

from domain.catalog.files import EXTENSIONS, STANDARD, ending_of, fault_of
from domain.catalog.models import FileType
from domain.errors import InvalidInput

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
ZIP = b"PK\x03\x04\x14\x00"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"
PARQUET = b"PAR1\x15\x04\x15"


@pytest.mark.parametrize(
    ("file_name", "content_type", "ending"),
    [
        ("sales.csv", None, "csv"),
        ("SALES.CSV", "application/octet-stream", "csv"),
        ("sales.csv", "application/json", "csv"),
        ("a.b.ndjson", None, "ndjson"),
        ("sales", "text/csv; charset=utf-8", "csv"),
        ("sales.txt", "text/tab-separated-values", "tsv"),
        (
            "book",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
        ),
    ],
)
def test_tells_a_type_by_name_then_by_media_type(
    file_name: str, content_type: str | None, ending: str
) -> None:
    assert ending_of(file_name, content_type) == ending


@pytest.mark.parametrize(
    ("file_name", "content_type"),
    [
        ("sales.txt", None),
        ("sales", "application/octet-stream"),
        ("sales.csv.gz", "application/gzip"),
        ("csv", None),
        ("photo.png", "application/vnd.ms-excel"),
    ],
)
def test_lists_what_can_be_ingested(file_name: str, content_type: str | None) -> None:
    with pytest.raises(InvalidInput, match=r"csv, tsv, .*parquet") as refused:
        ending_of(file_name, content_type)
    assert refused.value.fields[0].path == ("fileName",)


def test_every_ending_has_a_media_type() -> None:
    assert set(STANDARD) == set(EXTENSIONS)
    assert STANDARD["csv"] == "text/csv"
    assert STANDARD["xml"] == "application/xml"


@pytest.mark.parametrize(
    ("file_type", "head"),
    [
        (FileType.CSV, b"a,b\n"),
        (FileType.CSV, "ä;ö\n".encode("utf-16")),
        (FileType.CSV, "ä;ö\n".encode("utf-16-le")),
        (FileType.CSV, b""),
        (FileType.CSV, b"PAR1,PAR2\n"),
        (FileType.CSV, b"BZh,x\n"),
        (FileType.JSON, b"[1]"),
        (FileType.EXCEL, ZIP),
        (FileType.EXCEL, OLE),
        (FileType.PARQUET, PARQUET),
    ],
)
def test_lets_through_what_may_be_its_type(file_type: FileType, head: bytes) -> None:
    assert fault_of(file_type, head) is None


@pytest.mark.parametrize(
    ("file_type", "head", "said"),
    [
        (FileType.CSV, PNG, "a CSV file, but it is a PNG image"),
        (FileType.JSON, ZIP, "a JSON file, but it is a ZIP archive"),
        (FileType.XML, b"%PDF-1.7", "an XML file, but it is a PDF document"),
        (FileType.CSV, PARQUET, "a CSV file, but it is a Parquet file"),
        (FileType.TSV, OLE, "a TSV file, but it is an older Office document"),
        (FileType.EXCEL, PARQUET, "a spreadsheet, but it is a Parquet file"),
        (FileType.EXCEL, b"a,b\n", "a spreadsheet, but its first bytes are another format's"),
        (FileType.PARQUET, b"a,b\n", "a Parquet file, but its first bytes are another format's"),
        (FileType.PARQUET, ZIP, "a Parquet file, but it is a ZIP archive"),
    ],
)
def test_says_what_a_file_is_instead(file_type: FileType, head: bytes, said: str) -> None:
    fault = fault_of(file_type, head)
    assert fault is not None
    assert said in fault
