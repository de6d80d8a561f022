"""A store that may be down: rows wait in the spool until it takes them."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from edgeflow.errors import ConfigError, StoreError
from edgeflow.store.spool import Record, Spool
from edgeflow.store.tables import Row, TableStore

__all__ = ["SpooledWriter", "WriterStats"]

_log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
JOIN_SECONDS = 2.0
WAKE_SECONDS = 0.5


class _Batch(msgspec.Struct, array_like=True):
    table: str
    rows: list[dict[str, Any]]


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
        self.stats = WriterStats()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """What waits on disk."""
        return self._spool.pending_bytes

    def append(self, table: str, rows: Sequence[Row]) -> None:
        """Accept rows: when this returns they are on disk.

        Raises:
            StoreError: the spool is full or cannot be written; nothing was accepted.
            ConfigError: a value has no stored form.
        """
        try:
            body = _encoder.encode(_Batch(table, [dict(row) for row in rows]))
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"rows for {table}: {error}") from error
        self._spool.append(body)
        self.stats.spooled += len(rows)

    def flush(self, timeout: float) -> bool:
        """Wait until all that was accepted is stored; False after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._spool.pending_bytes == 0, timeout)

    def close(self, timeout: float = JOIN_SECONDS) -> None:
        """Store what can be stored within a time, and stop; the rest waits. Idempotent."""
        if not self._stop.is_set():
            self.flush(timeout if not self.stats.last_error else 0.0)
            self._stop.set()
            self._spool.seal()
            self._thread.join(JOIN_SECONDS)
            self._spool.close()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                if self._spool.wait(WAKE_SECONDS) and (records := self._spool.group()):
                    self._pass_on(records)
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
        tables: dict[str, _Batch] = {}
        tokens: dict[str, str] = {}
        for record in records:
            batch = _decoder.decode(record.body)
            if batch.table in tables:
                tables[batch.table].rows += batch.rows
            else:
                tables[batch.table], tokens[batch.table] = batch, record.token
        begun = time.perf_counter()
        for table, batch in tables.items():
            self._insert(batch, f"{tokens[table]}-{len(records)}")
        self.stats.store_seconds = time.perf_counter() - begun
        self._spool.take(records)
        with self._changed:
            self._changed.notify_all()

    def _insert(self, batch: _Batch, token: str) -> None:
        refused: list[dict[str, Any]] = []
        kept = self._sift(batch, token, refused)
        if refused:
            _log.error("rows_refused", table=batch.table, count=len(refused))
            self.stats.refused += len(refused)
            self._store.insert("dead_letters", refused, token=f"{token}-refused")
        self.stats.stored += kept

    def _sift(self, batch: _Batch, token: str, refused: list[dict[str, Any]]) -> int:
        """Insert rows and return how many; what the store will not take is halved to its cause."""
        try:
            self._store.insert(batch.table, batch.rows, token=token)
            return len(batch.rows)
        except ConfigError as error:
            if len(batch.rows) == 1:
                refused.append(_dead_letter(batch.table, batch.rows[0], error))
                return 0
        half = len(batch.rows) // 2
        parts = (_Batch(batch.table, batch.rows[:half]), _Batch(batch.table, batch.rows[half:]))
        return sum(
            self._sift(part, f"{token}{side}", refused)
            for side, part in zip("ab", parts, strict=True)
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
_decoder = msgspec.msgpack.Decoder(_Batch)
