"""Small workbooks, put together by hand so that each test sees what is in them."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Self
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"

DATE, TIME = 1, 2  # Styles that make a number a date, or a date with a time.


class Styled(float):
    """A number that is shown as a date (style 1) or as a date with time (style 2)."""

    style: int

    def __new__(cls, value: float, style: int) -> Self:
        made = super().__new__(cls, value)
        made.style = style
        return made


Cell = str | float | bool | None


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> bytes:
    """Makes an .xlsx file with these sheets."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts(sheets).items():
            archive.writestr(name, text)
    return packed.getvalue()


def parts(sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> dict[str, str]:
    """Gives the members of the archive."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{at}" r:id="r{at}"/>'
        for at, name in enumerate(sheets, 1)
    )
    related = "".join(
        f'<Relationship Id="r{at}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at, _ in enumerate(sheets, 1)
    )
    made = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1"'
        f' Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">{related}'
        f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><cellXfs count="3"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/><xf numFmtId="22"/></cellXfs></styleSheet>',
    }
    for at, rows in enumerate(sheets.values(), 1):
        made[f"xl/worksheets/sheet{at}.xml"] = sheet(rows)
    return made


def sheet(rows: Sequence[Sequence[Cell]]) -> str:
    """Gives one sheet's XML."""
    lines = (
        f'<row r="{at}">'
        + "".join(_cell(at, place, cell) for place, cell in enumerate(row))
        + "</row>"
        for at, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def column_name(place: int) -> str:
    """Gives A for 0, Z for 25, AA for 26."""
    name, place = "", place + 1
    while place:
        place, letter = divmod(place - 1, 26)
        name = chr(65 + letter) + name
    return name


def _cell(row: int, place: int, cell: Cell) -> str:
    where = f"{column_name(place)}{row}"
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{where}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, str):
        return (
            f'<c r="{where}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
        )
    style = f' s="{cell.style}"' if isinstance(cell, Styled) else ""
    return f'<c r="{where}"{style}><v>{cell!r}</v></c>'
