"""Files that harm whoever trusts them. Each has a random part, so that no two have the same bytes.

Formats: ECMA-376 (workbooks), the Parquet format's ``parquet.thrift`` in its compact protocol.
"""

from __future__ import annotations

import io
import os
import struct
import uuid
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

MiB = 1024 * 1024

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
RELATIONS_TYPE = "application/vnd.openxmlformats-package.relationships+xml"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
WORKBOOK = {
    "[Content_Types].xml": f"""<Types xmlns="{PACKAGE}/content-types">
        <Default Extension="rels" ContentType="{RELATIONS_TYPE}"/>
        <Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}.sheet.main+xml"/>
        <Override PartName="/xl/worksheets/sheet1.xml" ContentType="{SHEET_TYPE}.worksheet+xml"/>
        </Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>
        </Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">
        <sheets><sheet name="Sheet" sheetId="1" r:id="r1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>
        </Relationships>""",
}
I32_NEXT, I64_NEXT = b"\x15", b"\x16"
"""Headers of a field that follows the one before it, and is an integer (compact protocol)."""


def nonce() -> str:
    """A word that no other file has."""
    return uuid.uuid4().hex


def table(rows: int = 3) -> bytes:
    """A harmless CSV file."""
    return "".join(["word,number\n", *(f"{nonce()},{at}\n" for at in range(rows))]).encode()


def picture() -> bytes:
    """What begins as a PNG image does."""
    return PNG + os.urandom(2000)


def wide_csv(columns: int) -> bytes:
    """A header of so many columns, and one record."""
    names = ",".join(f"c{at}" for at in range(columns))
    values = ",".join(str(at) for at in range(columns - 1))
    return f"{names}\n{values},{nonce()}\n".encode()


def wide_jsonl(columns: int) -> bytes:
    """One record of so many names."""
    names = ",".join(f'"c{at}":{at}' for at in range(columns - 1))
    return f'{{{names},"n":"{nonce()}"}}\n'.encode()


def workbook(cells: str, padding: int = 0) -> bytes:
    """A workbook of one sheet, with so many blanks in it that pack to next to nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in WORKBOOK.items():
            archive.writestr(name, text)
        sheet = (
            f'<worksheet xmlns="{MAIN}"><sheetData>{cells}{" " * padding}</sheetData></worksheet>'
        )
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
    return packed.getvalue()


def cell(place: str, text: str) -> str:
    """A cell of text, inside a row of its own."""
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}" t="str"><v>{text}</v></c></row>'


def packed_bomb() -> bytes:
    """Some 20 kB that unpack to 20 MiB."""
    return workbook(cell("A1", nonce()), 20 * MiB)


def sparse_bomb() -> bytes:
    """Two cells, at opposite corners of the largest sheet: 17 billion cells lie between."""
    return workbook(cell("A1", nonce()) + cell("XFD1048576", "far"))


def parquet(query: str) -> bytes:
    """What DuckDB writes, in one row group."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "file.parquet")
        duckdb.sql(f"copy ({query}) to '{path}' (row_group_size 10000000, compression zstd)")
        return path.read_bytes()


def rows_bomb(claimed: int) -> bytes:
    """A Parquet file of 1,003 rows whose footer claims other numbers of them."""
    written = parquet(f"select i, '{nonce()}' as word from range(1003) r(i)")  # noqa: S608 (the word is our own)
    (length,) = struct.unpack("<I", written[-8:-4])
    footer = written[-8 - length : -8]
    honest = I64_NEXT + varint(1003)
    assert honest in footer
    footer = footer.replace(honest, I64_NEXT + varint(claimed))
    return written[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def page_bomb() -> bytes:
    """A Parquet file of which a page of a few bytes claims to unpack to 2 GiB."""
    size = 1_000_000
    written = parquet(f"select repeat('a', {size}) || '{nonce()}' as text")
    for honest in (I32_NEXT + varint(size + more) for more in range(200)):
        if honest in written[:100]:
            return written.replace(honest, I32_NEXT + varint(2**31 - 1), 1)
    raise AssertionError(written[:100])


def varint(number: int) -> bytes:
    """A signed number in the compact protocol: zigzag, then seven bits a byte."""
    left = number * 2 if number >= 0 else -number * 2 - 1
    coded = bytearray()
    while left > 127:
        coded.append(left & 127 | 128)
        left >>= 7
    return bytes([*coded, left])


def value_bomb() -> bytes:
    """A Parquet file of some kB, of which one value has 150 million characters."""
    return parquet(f"select repeat('a', 150000000) || '{nonce()}' as text")


def laughs() -> bytes:
    """Ten entities that are each ten of the one before: three billion bytes."""
    entities = ["<!ENTITY e0 'lol'>"]
    entities += [f"<!ENTITY e{at} '{f'&e{at - 1};' * 10}'>" for at in range(1, 10)]
    return xml("".join(entities), "&e9;")


def external(address: str) -> bytes:
    """An entity that stands for another file."""
    return xml(f"<!ENTITY e SYSTEM '{address}'>", "&e;")


def parameter(address: str) -> bytes:
    """A document type whose entities stand in another file."""
    return xml(f"<!ENTITY % e SYSTEM '{address}'> %e;", "text")


def deep(elements: int) -> bytes:
    """So many elements in each other."""
    return b"<a>" * elements + nonce().encode() + b"</a>" * elements


def xml(entities: str, text: str) -> bytes:
    """Two records, and a document type."""
    records = f"<row><word>{text}</word></row><row><word>{nonce()}</word></row>"
    return f"<?xml version='1.0'?><!DOCTYPE rows [{entities}]><rows>{records}</rows>".encode()
