"""Tables in one SQLite file: readers never wait for the writer; rollups are kept as rows come."""

import contextlib
import math
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeflow.errors import ConfigError, StoreError, did_you_mean
from edgeflow.store import sqlite_schema as schema
from edgeflow.store.cells import (
    cells_of,
    column_of,
    milliseconds,
    number_of,
    row_of,
    span_of,
    time_of,
    width_of,
)
from edgeflow.store.tables import MAX_ROWS, TOKENS, Aggregate, Bucket, Row, Table, TableStore

__all__ = ["SqliteTables"]

BUSY_SECONDS = 5.0
FORGET_AT_ONCE = 20_000
"""Rows deleted in one go, so that a writer waits little."""
WRITER_KIB = 8 << 10
"""Holds the pages that a batch of a thousand devices touches; more fills up with old ones."""
READER_KIB = 4 << 10
CHECKPOINT_PAGES = 8000
"""Pages of the log, 4 KiB each, before they are brought into the file: often written ones once."""


class SqliteTables(TableStore):
    """A table store in one file.

    Args:
        path: of the file, made if it is missing; ``:memory:`` for none.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._tables: dict[str, Table] = {}
        self._writing, self._reading = threading.Lock(), threading.Lock()
        shared = path == ":memory:"
        self._writer: sqlite3.Connection | None = self._connect(path, WRITER_KIB)
        self._reader = self._writer if shared else self._connect(path, READER_KIB)
        if shared:
            self._reading = self._writing

    def create(self, tables: Sequence[Table]) -> None:
        """Make what is missing, and add columns that an older version did not have."""
        with self._write() as database:
            database.execute(schema.TOKENS_TABLE)
            database.execute(schema.FRESH_TABLE)
            for table in tables:
                info = database.execute(f"PRAGMA table_info({table.name})")
                known = {str(row[1]) for row in info.fetchall()}
                for statement in schema.creating(table, known):
                    database.execute(statement)
        self._tables |= {table.name: table for table in tables}

    def insert(self, table: str, rows: Sequence[Row], *, token: str = "") -> None:
        """Keep the rows, all or none; those that the table's identity knows already, once."""
        own = self._table(table)
        cells = cells_of(own, rows)
        with self._write() as database:
            if token and not _is_new(database, token):
                return
            (before,) = (
                (0,)
                if own.newest_by
                else database.execute(
                    f"SELECT coalesce(max(number), 0) FROM {own.name}"  # noqa: S608
                ).fetchone()
            )
            database.executemany(schema.insertion(own), cells)
            for statement in schema.rolling(own):
                database.execute(statement, {"before": before})

    def rows(
        self,
        table: str,
        *,
        device: str | None = None,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
        limit: int = 1000,
    ) -> list[dict[str, Any]]:
        """The newest rows with ``since <= timestamp < until``, oldest first."""
        own = self._table(table)
        order = time_of(own)
        condition, values = self._condition(own, device, where, (since, until))
        found = self._read(
            f"SELECT {_names(own)} FROM {own.name} WHERE {condition} "  # noqa: S608
            f"ORDER BY {order} DESC LIMIT ?",
            [*values, max(0, min(limit, MAX_ROWS))],
        )
        return [row_of(own, cells) for cells in reversed(found)]

    def latest(self, table: str, *, since: float = float("-inf")) -> list[dict[str, Any]]:
        """The newest row of each device, by device."""
        own = self._table(table)
        if own.newest_by:
            return sorted(
                self.rows(table, since=since, limit=MAX_ROWS), key=lambda row: row["device_id"]
            )
        # One look into the index a device, however many rows there are.
        found = self._read(
            "WITH RECURSIVE devices(id) AS ("  # noqa: S608
            f"SELECT min(device_id) FROM {own.name} UNION ALL "
            f"SELECT (SELECT min(device_id) FROM {own.name} WHERE device_id > id) FROM devices "
            "WHERE id IS NOT NULL) "
            f"SELECT {_names(own, 'newest.')} FROM devices JOIN {own.name} AS newest "
            f"ON newest.number = (SELECT number FROM {own.name} WHERE device_id = devices.id "
            "ORDER BY timestamp DESC, number DESC LIMIT 1) WHERE newest.timestamp >= ?",
            [milliseconds(since)],
        )
        return [row_of(own, cells) for cells in found]

    def series(
        self,
        table: str,
        column: str,
        *,
        step: float,
        device: str | None = None,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> list[Bucket]:
        """A column in steps of so many seconds, by time and device."""
        own = self._table(table)
        number_of(own, column)
        width = width_of(step)
        span = span_of(own, column, width) if not where else None
        if span is not None:
            return self._rolled(own, span, width, device, (since, until))
        condition, values = self._condition(own, device, where, (since, until))
        return _buckets(
            self._read(
                f"SELECT device_id, timestamp / {width} * {width} AS start, sum({column}), "  # noqa: S608
                f"min({column}), max({column}), count({column}) FROM {own.name} "
                f"WHERE {condition} AND {column} IS NOT NULL "
                f"GROUP BY start, device_id ORDER BY start, device_id LIMIT {MAX_ROWS}",
                values,
            )
        )

    def counts(
        self,
        table: str,
        *,
        step: float,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> list[tuple[float, int]]:
        """How many rows of all devices there are in steps of so many seconds, by time."""
        own = self._table(table)
        width = width_of(step)
        span = span_of(own, own.measure, width) if own.measure and not where else None
        if span is None:
            condition, values = self._condition(own, None, where, (since, until))
            source, time, amount = own.name, time_of(own), "count(*)"
        else:
            first = milliseconds(since) // width * width
            source, condition = schema.of_each_device(f"{own.name}_{span}")
            time, amount, values = "start", "sum(amount)", [first, milliseconds(until)]
        found = self._read(
            f"SELECT {time} / {width} * {width} AS step, {amount} FROM {source} "  # noqa: S608
            f"WHERE {condition} GROUP BY step ORDER BY step LIMIT {MAX_ROWS}",
            values,
        )
        return [(at / 1000, int(count)) for at, count in found]

    def aggregate(
        self,
        table: str,
        column: str,
        *,
        device: str | None = None,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> Aggregate:
        """A column over a stretch of time."""
        own = self._table(table)
        number_of(own, column)
        condition, values = self._condition(own, device, where, (since, until))
        ((count, mean, least, most),) = self._read(
            f"SELECT count({column}), avg({column}), min({column}), max({column}) "  # noqa: S608
            f"FROM {own.name} WHERE {condition}",
            values,
        )
        if not count:
            return Aggregate(0, math.nan, math.nan, math.nan, math.nan)
        ((variance,),) = self._read(
            f"SELECT avg(({column} - ?) * ({column} - ?)) FROM {own.name} "  # noqa: S608
            f"WHERE {condition}",
            [mean, mean, *values],
        )
        return Aggregate(count, mean, math.sqrt(variance), least, most)

    def forget(self, table: str, *, before: float) -> int:
        """Delete rows that are older, and return how many; what is rolled up stays."""
        own = self._table(table)
        if own.newest_by:
            raise ConfigError(f"{table} is a registry", hint="its rows do not age")
        total = 0
        while True:
            with self._write() as database:
                gone = database.execute(
                    f"DELETE FROM {own.name} WHERE number IN (SELECT number FROM {own.name} "  # noqa: S608
                    f"WHERE timestamp < ? LIMIT {FORGET_AT_ONCE})",
                    (milliseconds(before),),
                ).rowcount
            total += gone
            if gone < FORGET_AT_ONCE:
                return total

    def forget_device(self, table: str, device: str) -> int:
        """Delete all rows of a device, and what is rolled up of them; return how many rows."""
        own = self._table(table)
        total = 0
        while True:
            with self._write() as database:
                for statement in schema.forgetting_rollups(own):
                    database.execute(statement, (device,))
                gone = database.execute(schema.forgetting(own, FORGET_AT_ONCE), (device,)).rowcount
            total += gone
            if own.newest_by or gone < FORGET_AT_ONCE:
                return total

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()
        if self._reading is not self._writing:
            with self._reading:
                self._reader.close()

    def _rolled(
        self,
        own: Table,
        span: str,
        width: int,
        device: str | None,
        times: tuple[float, float],
    ) -> list[Bucket]:
        values: list[Any] = [milliseconds(times[0]) // width * width, milliseconds(times[1])]
        source, condition = f"{own.name}_{span}", "start >= ? AND start < ?"
        if device is None:
            source, condition = schema.of_each_device(source)
        else:
            condition, values = f"{condition} AND device_id = ?", [*values, device]
        return _buckets(
            self._read(
                f"SELECT device_id, start / {width} * {width} AS step, sum(total), min(least), "  # noqa: S608
                f"max(most), sum(amount) FROM {source} WHERE {condition} "
                f"GROUP BY step, device_id ORDER BY step, device_id LIMIT {MAX_ROWS}",
                values,
            )
        )

    def _condition(
        self,
        own: Table,
        device: str | None,
        where: Mapping[str, str] | None,
        times: tuple[float, float],
    ) -> tuple[str, list[Any]]:
        wanted = dict(where or {}) | ({"device_id": device} if device is not None else {})
        time = time_of(own)
        parts = [f"{time} >= ?", f"{time} < ?"]
        values = [milliseconds(each) for each in times]
        texts: list[Any] = []
        for name, text in wanted.items():
            column_of(own, name)
            parts.append(f"{name} = ?")
            texts.append(text)
        return " AND ".join(parts), [*values, *texts]

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise ConfigError(f"no table {name!r}", hint=did_you_mean(name, list(self._tables)))
        return table

    def _connect(self, path: str, cache_kib: int) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(
                path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            with contextlib.ExitStack() as on_error:
                on_error.callback(database.close)
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute("PRAGMA temp_store = MEMORY")
                database.execute(f"PRAGMA cache_size = -{cache_kib}")
                database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                on_error.pop_all()
            return database
        except sqlite3.Error as error:
            raise StoreError(
                f"{path}: {error}", hint="is it a database, and may it be written?"
            ) from error

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            if self._writer is None:
                raise StoreError(f"{self._path} is closed")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")
            except (sqlite3.Error, OverflowError) as error:
                raise StoreError(f"{self._path}: {error}") from error

    def _read(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._reading:
            if self._writer is None:
                raise StoreError(f"{self._path} is closed")
            try:
                return self._reader.execute(statement, list(values)).fetchall()
            except (sqlite3.Error, OverflowError) as error:
                raise StoreError(f"{self._path}: {error}") from error


def _is_new(database: sqlite3.Connection, token: str) -> bool:
    """Note a token; False if it is there already."""
    noted = database.execute(
        "INSERT INTO tokens (token) VALUES (?) ON CONFLICT DO NOTHING", (token,)
    )
    if noted.rowcount == 0:
        return False
    database.execute("DELETE FROM tokens WHERE number <= ?", ((noted.lastrowid or 0) - TOKENS,))
    return True


def _names(table: Table, prefix: str = "") -> str:
    return ", ".join(prefix + column.name for column in table.columns)


def _buckets(found: Sequence[tuple[Any, ...]]) -> list[Bucket]:
    return [
        Bucket(device, start / 1000, total / amount, least, most, amount)
        for device, start, total, least, most, amount in found
    ]
