"""A large CSV of retail orders for the benches of etl: made fast, and always the same."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

SAMPLE_ROWS = 20_000

# Numbers with and without gaps, money, dates, times, truth values, codes that look like numbers,
# text with letters beyond ASCII, and every twentieth description with a delimiter and quotes in it.
ORDERS = """
select
    1000001 + i as order_id,
    timestamp '2015-01-01' + to_seconds((hash(i, $seed, 1) % 315000000)::bigint) as ordered_at,
    date '2015-01-01' + (hash(i, $seed, 2) % 3650)::int as ship_date,
    'SKU-' || lpad((hash(i, $seed, 3) % 100000)::varchar, 6, '0') as sku,
    case when hash(i, $seed, 4) % 20 = 0
        then 'LANTERN, "ANTIQUE" NO ' || (hash(i, $seed, 5) % 1000)
        else 'WHITE HANGING HEART ' || (hash(i, $seed, 5) % 1000) end as description,
    (hash(i, $seed, 6) % 500)::int - 20 as quantity,
    ((hash(i, $seed, 7) % 1000000) / 100)::decimal(12, 2) as unit_price,
    case when hash(i, $seed, 8) % 7 = 0
        then null else (hash(i, $seed, 8) % 20000)::int end as customer,
    ['United Kingdom', 'France', 'Germany', 'Côte d''Ivoire', 'España']
        [1 + (hash(i, $seed, 9) % 5)::int] as country,
    (hash(i, $seed, 10) % 1000000007) / 1e6 as weight,
    hash(i, $seed, 11) % 2 = 0 as express
from range($rows) as numbers(i)
"""


def generate_csv(path: Path, size_bytes: int, seed: int = 1) -> int:
    """Writes about `size_bytes` of well-formed CSV; gives its rows.

    The same size and seed give the same bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder, "sample.csv")
        _write(sample, SAMPLE_ROWS, seed)
        row_bytes = sample.stat().st_size / SAMPLE_ROWS
    rows = max(int(size_bytes / row_bytes), 1)
    _write(path, rows, seed)
    return rows


def _write(path: Path, rows: int, seed: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"copy ({ORDERS}) to $path (format csv, header true)",
            {"path": str(path), "rows": rows, "seed": seed},
        )
