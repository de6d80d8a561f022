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
            self._spool.close()
            self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                record = self._spool.next() if self._spool.wait(WAKE_SECONDS) else None
                if record is not None:
                    self._pass_on(record)
                pause = FIRST_PAUSE
                self.stats.last_error = ""
            except StoreError as error:
                self.stats.failures += 1
                if not self.stats.last_error:
                    _log.warning("store_unreachable", error=str(error))
                self.stats.last_error = str(error)
                self._stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _pass_on(self, record: Record) -> None:
        batch = _decoder.decode(record.body)
        begun = time.perf_counter()
        try:
            self._store.insert(batch.table, batch.rows, token=record.token)
            self.stats.store_seconds = time.perf_counter() - begun
            self.stats.stored += len(batch.rows)
        except ConfigError as error:
            self._set_aside(batch, error, record.token)
        self._spool.take(record)
        with self._changed:
            self._changed.notify_all()

    def _set_aside(self, batch: _Batch, error: ConfigError, token: str) -> None:
        _log.error("rows_refused", table=batch.table, count=len(batch.rows), error=str(error))
        self.stats.refused += len(batch.rows)
        rows = [
            {
                "device_id": str(row.get("device_id", "")),
                "timestamp": time.time(),
                "topic": batch.table,
                "reason": str(error),
                "payload": msgspec.json.encode(row).decode(),
            }
            for row in batch.rows
        ]
        self._store.insert("dead_letters", rows, token=f"{token}-refused")


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Batch)
