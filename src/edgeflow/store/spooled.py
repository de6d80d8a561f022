"""A store that may be down: rows wait in the spool until it takes them."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from edgeflow.errors import ConfigError, StoreError
from edgeflow.store.spool import GROUP_BYTES, Record, Spool
from edgeflow.store.tables import Row, TableStore

__all__ = ["SpooledWriter", "WriterStats"]

_log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
JOIN_SECONDS = 2.0
WAKE_SECONDS = 0.5
REST, LONGEST_REST = 4.0, 1.0
"""Rests as long as so many times the last group took: the more rows wait, the less each costs."""

Tables = dict[str, list[dict[str, Any]]]


@dataclass(slots=True)
class WriterStats:
    """Counts since the start. ``refused`` rows the store will never take; they are set aside.

    ``store_seconds`` is what the last batch took.
    """

    spooled: int = 0
    stored: int = 0
    refused: int = 0
    failures: int = 0
    last_error: str = ""
    store_seconds: float = 0.0


class SpooledWriter:
    """Writes rows behind a spool, by one thread. A row that was accepted is stored once.

    The store may be down: batches wait on disk and arrive in their order. What the store will never
    take (a bad column or value) is written to the ``dead_letters`` table, and does not block.

    Args:
        store: where rows go. spool: where they wait.
    """

    def __init__(self, store: TableStore, spool: Spool) -> None:
        self._store, self._spool = store, spool
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._hurries = 0
        self.stats = WriterStats()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """What waits on disk."""
        return self._spool.pending_bytes

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Accept rows of one table; as ``append_all``."""
        self.append_all({table: [dict(row) for row in rows]})

    def append_all(self, tables: Mapping[str, Sequence[Row]]) -> None:
        """Accept rows by table, all or none: when this returns they are on disk.

        Raises:
            StoreError: the spool is full or cannot be written; nothing was accepted.
            ConfigError: a value has no stored form.
        """
        try:
            body = _encoder.encode(tables)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"rows for {', '.join(tables)}: {error}") from error
        self._spool.append(body)
        self.stats.spooled += sum(map(len, tables.values()))

    def flush(self, timeout: float) -> bool:
        """Wait until all that was accepted is stored; False after ``timeout`` seconds."""
        with self._changed:
            self._hurries += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._spool.pending_bytes == 0, timeout)
            finally:
                self._hurries -= 1

    def close(self, timeout: float = JOIN_SECONDS) -> None:
        """Store what can be stored within a time, and stop; the rest waits. Idempotent."""
        if not self._stop.is_set():
            self.flush(timeout if not self.stats.last_error else 0.0)
            self._stop.set()
            with self._changed:
                self._changed.notify_all()
            self._spool.seal()
            self._thread.join(JOIN_SECONDS)
            self._spool.close()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                if self._spool.wait(WAKE_SECONDS) and (records := self._spool.group()):
                    self._pass_on(records)
                    self._rest()
                pause = FIRST_PAUSE
                self.stats.last_error = ""
            except Exception as error:  # noqa: BLE001 - whatever it was, it must not end the writing
                self.stats.failures += 1
                told = str(error) if isinstance(error, StoreError) else repr(error)
                if not self.stats.last_error:
                    _log.warning("store_unreachable", error=told)
                self.stats.last_error = told or "failed"
                self._stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _pass_on(self, records: Sequence[Record]) -> None:
        """Insert a group, one batch for each table; each has the token of its first record."""
        tables: Tables = {}
        tokens: dict[str, str] = {}
        for record in records:
            for table, rows in _decoder.decode(record.body).items():
                if table in tables:
                    tables[table] += rows
                else:
                    tables[table], tokens[table] = rows, record.token
        begun = time.perf_counter()
        for table, rows in tables.items():
            self._insert(table, rows, f"{tokens[table]}-{len(records)}-{table}")
        self.stats.store_seconds = time.perf_counter() - begun
        self._spool.take(records)
        with self._changed:
            self._changed.notify_all()

    def _rest(self) -> None:
        """Let rows gather, unless there are many or somebody waits for them."""
        if self._spool.pending_bytes < GROUP_BYTES:
            seconds = min(REST * self.stats.store_seconds, LONGEST_REST)
            with self._changed:
                self._changed.wait_for(lambda: self._hurries or self._stop.is_set(), seconds)

    def _insert(self, table: str, rows: list[dict[str, Any]], token: str) -> None:
        refused: list[dict[str, Any]] = []
        kept = self._sift(table, rows, token, refused)
        if refused:
            _log.error("rows_refused", table=table, count=len(refused))
            self.stats.refused += len(refused)
            self._store.insert("dead_letters", refused, token=f"{token}-refused")
        self.stats.stored += kept

    def _sift(
        self, table: str, rows: list[dict[str, Any]], token: str, refused: list[dict[str, Any]]
    ) -> int:
        """Insert rows and return how many; what the store will not take is halved to its cause."""
        try:
            self._store.insert(table, rows, token=token)
            return len(rows)
        except ConfigError as error:
            if len(rows) == 1:
                refused.append(_dead_letter(table, rows[0], error))
                return 0
        half = len(rows) // 2
        return sum(
            self._sift(table, part, f"{token}{side}", refused)
            for side, part in (("a", rows[:half]), ("b", rows[half:]))
        )


def _dead_letter(table: str, row: dict[str, Any], error: ConfigError) -> dict[str, Any]:
    return {
        "device_id": str(row.get("device_id", "")),
        "timestamp": time.time(),
        "topic": table,
        "reason": str(error),
        "payload": msgspec.json.encode(row).decode(),
    }


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Tables)
