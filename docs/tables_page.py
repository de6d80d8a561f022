"""The page of the climate system's tables, from the catalogue and what ClickHouse makes of it."""
# ruff: noqa: E501 - lines of a page

from edgeflow.store.catalogue import TABLES
from edgeflow.store.cells import rolled_up
from edgeflow.store.clickhouse_schema import TYPES
from edgeflow.store.tables import Table

__all__ = ["tables_page"]

HEAD = """# Tables of the climate system

The same tables in SQLite, ClickHouse and chdb; `--store` of `edgeflow climate serve` says which, `open_tables(url)` of
`edgeflow.store.opening` opens them in Python.

| URL | needs | what it is |
|---|---|---|
| `sqlite:///home.db`, `sqlite:////var/home.db` | | a file; other processes may read meanwhile |
| `clickhouse://user:password@host:8123/iot?keep_days=400` | `edgeflow[clickhouse]` | a server, over HTTP; `secure=true` for TLS |
| `chdb:///home.chdb`, `chdb:////var/home.chdb` | `edgeflow[chdb]` (534 MB) | ClickHouse in the process; one folder and one process at a time |

Rows pass a spool on disk first, so a store that is away loses nothing; each batch has a token, so one that is sent twice is kept
once, in the rollups too. Missing columns are added at the start. Times are kept to the millisecond. A number that a row does not
have is `NULL`, and no mean counts it.

`edgeflow climate backup --store URL FILE` writes all tables into one compressed file of JSON lines, `restore` brings it into a store of
any kind: that is also how a home moves from SQLite to ClickHouse. A file that is cut or damaged brings nothing, and one that is restored
twice brings its rows once. Rollups are made of the rows again: of rows that were deleted nothing is left.

ClickHouse: `MergeTree`, a part a month, in the order of `(device_id, timestamp)`; `keep_days` of the URL is the table's TTL when it
is made. The registry is a `ReplacingMergeTree(last_seen)`: read it with `FINAL`. Redelivered readings are told by
`(device_id, boot, sequence)` before they are inserted.

"""
ROLLUPS = """
Rolled up (Σ) by minute and hour as rows come, in `..._minute` and `..._hour`: `device_id`, `start`, `total`, `least`, `most`,
`amount` of the measure. They stay when rows go. The mean of any stretch is `sum(total) / sum(amount)`; in ClickHouse the rows of
one minute may still be in parts, so always add up.
"""


def tables_page(note: str) -> str:
    """Return the page."""
    lines = [note + HEAD + "| table | columns beside `device_id` and `timestamp` |", "|---|---|"]
    return "\n".join([*lines, *(_row(table) for table in TABLES.values())]) + "\n" + ROLLUPS


def _row(table: Table) -> str:
    mark = " Σ" if rolled_up(table) else ""
    columns = ", ".join(
        f"`{column.name}` {TYPES[column.kind].removeprefix('Nullable(').removesuffix(')')}"
        if column.kind == "float"
        else f"`{column.name}` {TYPES[column.kind]}"
        for column in table.columns
        if column.name not in ("device_id", "timestamp")
    )
    return f"| `{table.name}`{mark} | {columns} |"
