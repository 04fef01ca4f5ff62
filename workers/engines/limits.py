"""How much of each thing a file may hold. Documented in the README for those who meet them."""

from __future__ import annotations

MAX_COLUMNS = 4096
"""Columns of a table. Parquet writers hold buffers for each column of a row group in memory."""

MAX_RECORD_BYTES = 1_900_000
"""UTF-8 bytes of one record. DuckDB's CSV reader holds lines below 2,000,000 bytes."""

MAX_NAME_CHARACTERS = 255
"""Characters of a column's name; longer ones are cut and made unique."""

MAX_REJECT_CHARACTERS = 8192
"""Characters of a rejected line that are copied to the rejects file; the raw file has the rest."""

MAX_REPORTED_REJECTS = 2000
"""Rejected records whose places a report carries, so that etl need not look for them again."""

MAX_ARCHIVE_ENTRIES = 10_000
"""Members of the zip archive that an Excel or OpenDocument workbook is."""

MAX_ARCHIVE_BYTES = 1 << 29
"""Bytes of all members of a workbook when they are unpacked."""

MAX_ARCHIVE_RATIO = 250
"""Unpacked size over packed size of a member above 1 MiB. Sheets of equal cells reach about 150."""

MAX_PARQUET_ROWS = 2_000_000_000
"""Rows of a Parquet file: some bytes of run-length encoding can claim any number."""

MAX_PARQUET_BYTES = 64 << 30
"""Bytes of all column chunks of a Parquet file before compression."""

MAX_DOCUMENT_CHARACTERS = 64 << 20
"""Characters of one value at the top of a JSON document, or of one record of an XML document."""

MAX_DEPTH = 200
"""Elements inside each other in an XML document."""
