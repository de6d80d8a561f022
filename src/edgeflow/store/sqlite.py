"""Events in SQLite: one file, write-ahead log, readers never wait for the writer."""

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from importlib import resources
from typing import Any

import msgspec

from edgeflow.errors import StoreError
from edgeflow.store.base import Event, Store

__all__ = ["SqliteStore"]

BUSY_SECONDS = 5.0
MAX_LIMIT = 1_000_000


class SqliteStore(Store):
    """A store in one file.

    Args:
        path: of the file, made if it is missing; ``:memory:`` for none.

    Raises:
        StoreError: it cannot be opened, or was written by a newer version.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        try:
            database = sqlite3.connect(
                path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
            with contextlib.ExitStack() as on_error:
                on_error.callback(database.close)
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                self._migrate(database)
                on_error.pop_all()
            self._database = database
        except sqlite3.Error as error:
            raise StoreError(
                f"{path}: {error}", hint="is it a database, and may it be written?"
            ) from error

    def _migrate(self, database: sqlite3.Connection) -> None:
        """Apply the scripts in ``schema/`` that the file has not seen, each in a transaction."""
        scripts = sorted(
            (entry for entry in resources.files("edgeflow.store").joinpath("schema").iterdir()),
            key=lambda entry: entry.name,
        )
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > len(scripts):
            raise StoreError(
                f"{self._path} has schema {version}; this version knows {len(scripts)}",
                hint="update EdgeFlow",
            )
        for number, script in enumerate(scripts[version:], start=version + 1):
            database.executescript(
                f"BEGIN;\n{script.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    def append(self, events: Sequence[Event]) -> None:
        """Keep ``events`` in one transaction."""
        rows = [_row(event) for event in events]
        with self._lock:
            database = self._open()
            try:
                database.execute("BEGIN IMMEDIATE")
                try:
                    database.executemany(
                        "INSERT INTO events (time, topic, source, id, kind, value, meta) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        rows,
                    )
                except BaseException:
                    database.execute("ROLLBACK")
                    raise
                database.execute("COMMIT")
            except (sqlite3.Error, OverflowError) as error:
                raise StoreError(f"{self._path}: {error}") from error

    def query(
        self,
        topic: str | None = None,
        *,
        source: str | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
        limit: int = 1000,
    ) -> list[Event]:
        """Return the newest ``limit`` events with ``since <= time < until``, oldest first."""
        where, values = ["time >= ?", "time < ?"], [since, until]
        wanted: list[Any] = []
        for column, value in (("topic", topic), ("source", source)):
            if value is not None:
                where.append(f"{column} = ?")
                wanted.append(value)
        statement = (
            "SELECT time, topic, source, id, kind, value, meta FROM events "  # noqa: S608 - fixed
            f"WHERE {' AND '.join(where)} ORDER BY time DESC, number DESC LIMIT ?"
        )
        with self._lock:
            try:
                rows = self._open().execute(
                    statement, [*values, *wanted, max(0, min(limit, MAX_LIMIT))]
                )
                return [_event(row) for row in reversed(rows.fetchall())]
            except sqlite3.Error as error:
                raise StoreError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise StoreError(f"{self._path} is closed")
        return self._database


def _row(event: Event) -> tuple[Any, ...]:
    kind, value = _stored(event.value)
    try:
        meta = msgspec.json.encode(event.meta).decode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"meta of {event.topic}#{event.id} has no JSON form: {error}") from error
    return (event.time, event.topic, event.source, event.id, kind, value, meta)


def _stored(value: Any) -> tuple[str, Any]:
    if value is None:
        return "none", None
    if isinstance(value, bool):
        return "json", "true" if value else "false"
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "text", value
    if isinstance(value, bytes | bytearray | memoryview):
        return "bytes", bytes(value)
    try:
        return "json", msgspec.json.encode(value).decode()
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"a value of type {type(value).__name__} cannot be stored: {error}",
            hint="store numbers, text, JSON-like data or bytes",
        ) from error


def _event(row: Sequence[Any]) -> Event:
    time, topic, source, number, kind, value, meta = row
    return Event(
        time=time,
        topic=topic,
        source=source,
        id=number,
        value=msgspec.json.decode(value) if kind == "json" else value,
        meta=msgspec.json.decode(meta),
    )
