"""Guards against zip bombs, before anything that unpacks a workbook opens it."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from workers.engines.errors import FileError, FileErrorCode
from workers.engines.limits import MAX_ARCHIVE_BYTES, MAX_ARCHIVE_ENTRIES, MAX_ARCHIVE_RATIO

if TYPE_CHECKING:
    from pathlib import Path

READ_BYTES = 1 << 16
RATIO_FROM = 1 << 20

# The fixed part of a member's local header: 26 bytes on, the lengths of name and extra field follow
# (APPNOTE.TXT 4.3.7).
LOCAL_HEADER = struct.Struct("<26xHH")


def check_archive(path: Path) -> frozenset[str]:
    """Unpacks every member and keeps nothing; gives their names.

    What the archive says about its sizes is not believed: members are inflated up to the limits.
    Raises `UNPACKED_TOO_LARGE`, or `UNREADABLE` for what is no proper archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileError(
            FileErrorCode.UNREADABLE, f"The workbook's archive is damaged: {error}."
        ) from error
    if len(members) > MAX_ARCHIVE_ENTRIES:
        raise _too_large(f"The workbook has {len(members):,} parts.")
    # The directory's own sum is cheap, and an honest bomb needs no unpacking to be known.
    total = sum(member.file_size for member in members)
    if total > MAX_ARCHIVE_BYTES:
        raise _too_large(f"The workbook unpacks to {total:,} bytes.")
    left = MAX_ARCHIVE_BYTES
    with path.open("rb") as file:
        for member in members:
            left -= _unpacked(file, member, left)
    return frozenset(member.filename for member in members)


def _unpacked(file: BinaryIO, member: zipfile.ZipInfo, most: int) -> int:
    """Gives a member's real size; raises when it is more than `most` or out of proportion."""
    file.seek(member.header_offset)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
        raise FileError(FileErrorCode.UNREADABLE, "A part of the workbook's archive is missing.")
    file.seek(sum(LOCAL_HEADER.unpack(header)), 1)
    if member.compress_type == zipfile.ZIP_STORED:
        size = member.compress_size
    elif member.compress_type == zipfile.ZIP_DEFLATED:
        size = _inflated(file, member, most)
    else:
        raise FileError(
            FileErrorCode.UNREADABLE, "The workbook's archive is packed in an unusual way."
        )
    if size > most:
        raise _too_large(f"The workbook unpacks to more than {MAX_ARCHIVE_BYTES:,} bytes.")
    return size


def _inflated(file: BinaryIO, member: zipfile.ZipInfo, most: int) -> int:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    packed, size = 0, 0
    while packed < member.compress_size and not inflater.eof:
        chunk = file.read(min(READ_BYTES, member.compress_size - packed))
        if not chunk:
            raise FileError(FileErrorCode.UNREADABLE, "The workbook's archive breaks off.")
        packed += len(chunk)
        while chunk:
            try:
                size += len(inflater.decompress(chunk, 1 << 20))
            except zlib.error as error:
                raise FileError(
                    FileErrorCode.UNREADABLE, f"The workbook's archive is damaged: {error}."
                ) from error
            chunk = inflater.unconsumed_tail
            if size > most:
                return size
    if size > RATIO_FROM and size > MAX_ARCHIVE_RATIO * max(packed, 1):
        raise _too_large(f"A part of the workbook unpacks to {size // packed} times its size.")
    return size


def _too_large(found: str) -> FileError:
    return FileError(FileErrorCode.UNPACKED_TOO_LARGE, found)
