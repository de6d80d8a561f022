"""All tables of a store in one file, and back into any store: JSON lines in gzip."""

import gzip
import hashlib
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeflow.errors import ConfigError, StoreError
from edgeflow.store.cells import cells_of, time_of
from edgeflow.store.tables import MAX_ROWS, Table, TableStore

__all__ = ["back_up", "restore"]

PAGE = 20_000
LINE_ROWS = 5000
MAX_LINE = 64 << 20
VERSION = 1


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    edgeflow_tables: int
    time: float


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    table: str
    rows: list[dict[str, Any]]


class _End(msgspec.Struct, forbid_unknown_fields=True):
    total: int


def back_up(store: TableStore, tables: Sequence[Table], path: Path) -> int:
    """Write the rows that there are now, and return how many. Rollups are made of them again.

    The file is there when it is complete, and only its owner may read it.

    Raises:
        StoreError: the store cannot be read, or the file not written.
    """
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    total = 0
    try:
        with (
            os.fdopen(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", filename="", compresslevel=5) as file,
        ):
            _put(file, _Head(VERSION, time.time()))
            for table in tables:
                for page in _pages(store, table):
                    for at in range(0, len(page), LINE_ROWS):
                        _put(file, _Rows(table.name, page[at : at + LINE_ROWS]))
                    total += len(page)
            _put(file, _End(total))
            file.close()
            raw.flush()
            os.fsync(raw.fileno())
        waiting.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: {error}") from error
    finally:
        waiting.unlink(missing_ok=True)
    return total


def restore(store: TableStore, tables: Sequence[Table], path: Path) -> int:
    """Insert the rows of a file, and return how many it has. Once more, it inserts nothing.

    The whole file is read before a row is inserted.

    Raises:
        StoreError: the file is cut, damaged or none, or the store cannot be reached.
    """
    known = {table.name: table for table in tables}
    total = 0
    digest = hashlib.sha256()
    for each in _lines(path):
        if each.table not in known:
            raise StoreError(f"{path}: no table {each.table!r} in this version")
        try:
            cells_of(known[each.table], [_present(row) for row in each.rows])
        except ConfigError as error:
            raise StoreError(f"{path}: {error}") from error
        digest.update(msgspec.json.encode(each))
        total += len(each.rows)
    name = digest.hexdigest()[:32]
    for number, each in enumerate(_lines(path)):
        rows = [_present(row) for row in each.rows]
        store.insert(each.table, rows, token=f"{name}-{number}")
    return total


def _pages(store: TableStore, table: Table) -> Iterator[list[dict[str, Any]]]:
    """All rows, the newest first; those of one millisecond are never on two pages."""
    column, limit, until = time_of(table), PAGE, float("inf")
    while True:
        page = store.rows(table.name, until=until, limit=limit)
        if len(page) < limit:
            yield page
            return
        first = page[0][column]
        whole = [row for row in page if row[column] > first]
        if whole:
            yield whole
            until, limit = first + 0.001, PAGE
        elif limit == MAX_ROWS:
            raise StoreError(f"{table.name}: more than {limit} rows of one millisecond")
        else:
            limit = min(2 * limit, MAX_ROWS)


def _lines(path: Path) -> Iterator[_Rows]:
    total = 0
    try:
        with gzip.open(path, "rb") as file:
            head = msgspec.json.decode(file.readline(MAX_LINE), type=_Head)
            if head.edgeflow_tables != VERSION:
                raise StoreError(f"{path}: of version {head.edgeflow_tables}, not {VERSION}")
            while line := file.readline(MAX_LINE):
                if line.startswith(b'{"total"'):
                    end = msgspec.json.decode(line, type=_End)
                    if end.total != total or file.read(1):
                        raise StoreError(f"{path}: {total} rows, and it says {end.total}")
                    return
                rows = msgspec.json.decode(line, type=_Rows)
                total += len(rows.rows)
                yield rows
    except (OSError, EOFError, zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path}: {error}", hint="is it a file of `edgeflow climate backup`?"
        ) from error
    raise StoreError(f"{path} is cut: it has no end")


def _put(file: gzip.GzipFile, told: msgspec.Struct) -> None:
    file.write(msgspec.json.encode(told) + b"\n")


def _present(row: dict[str, Any]) -> dict[str, Any]:
    """A number that a row does not have is null in the file."""
    return {name: value for name, value in row.items() if value is not None}
