"""The frames a source has accepted and not yet got rid of, on disk: one SQLite file per source.

A killed process loses nothing that was added. A machine that loses power may lose the last moments
(the write-ahead log is flushed by the system), never the file.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeflow.comms.zenoh.names import chunk
from edgeflow.errors import CommsError

__all__ = ["FrameLog", "open_log"]

MAX_SOURCES = 256
"""Logs of one topic: one for every process that published it on this host."""

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA journal_size_limit=16777216;
CREATE TABLE IF NOT EXISTS identity (origin TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS frames (number INTEGER PRIMARY KEY, id INTEGER, message BLOB);
CREATE TABLE IF NOT EXISTS pending (
  consumer TEXT, number INTEGER, PRIMARY KEY (consumer, number)) WITHOUT ROWID;
"""


class FrameLog:
    """Frames and which consumer groups wait for them. Used under its owner's lock.

    Args:
        path: of the file, made if it is missing.
        lock: a descriptor that keeps the log ours; closed with it.

    Attributes:
        origin: identity of the log, the same after a restart.

    Raises:
        CommsError: the file cannot be used.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self._path, self._lock = path, lock
        self._done: list[tuple[str, int]] = []
        try:
            self._file = sqlite3.connect(path, timeout=2.0, check_same_thread=False)
            self._file.isolation_level = None
            self._file.executescript(_SCHEMA)
            row = self._file.execute("SELECT origin FROM identity").fetchone()
            self.origin = row[0] if row else os.urandom(8).hex()
            if not row:
                self._file.execute("INSERT INTO identity VALUES (?)", (self.origin,))
        except sqlite3.Error as error:
            os.close(lock)
            raise CommsError(f"{path}: {error}", hint="may the frame log be written?") from error

    def last(self) -> tuple[int, int]:
        """Return number and id of the newest frame; (0, -1) if there never was one."""
        row = self._file.execute(
            "SELECT number, id FROM frames ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return (row[0], row[1]) if row else (0, -1)

    def waiting(self) -> dict[str, list[int]]:
        """Return, per group, the numbers of the frames it has not acknowledged."""
        found: dict[str, list[int]] = {}
        for group, number in self._file.execute(
            "SELECT consumer, number FROM pending ORDER BY number"
        ):
            found.setdefault(group, []).append(number)
        return found

    def message(self, number: int) -> bytes:
        """Return a frame that somebody waits for.

        Raises:
            CommsError: the log does not have it.
        """
        row = self._file.execute("SELECT message FROM frames WHERE number=?", (number,)).fetchone()
        if row is None:
            raise CommsError(f"{self._path} has lost frame {number}")
        return bytes(row[0])

    def add(self, number: int, frame_id: int, message: bytes, groups: Sequence[str]) -> None:
        """Keep a frame until every group in ``groups`` has acknowledged it.

        Raises:
            CommsError: the disk is full, or gone; nothing was kept.
        """
        try:
            self._file.execute("BEGIN")
            self._file.execute("INSERT INTO frames VALUES (?,?,?)", (number, frame_id, message))
            self._file.executemany(
                "INSERT INTO pending VALUES (?,?)", [(group, number) for group in groups]
            )
            self._file.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            with contextlib.suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")
            raise CommsError(f"{self._path}: {error}", hint="is the disk full?") from error

    def done(self, group: str, numbers: Iterable[int]) -> None:
        """Note acknowledged frames; ``flush`` writes it down."""
        self._done += [(group, number) for number in numbers]

    def flush(self) -> None:
        """Remove what every group has acknowledged; the newest frame stays, for its number."""
        if not self._done:
            return
        done, self._done = self._done, []
        try:
            self._file.execute("BEGIN")
            self._file.executemany("DELETE FROM pending WHERE consumer=? AND number=?", done)
            self._sweep()
            self._file.execute("COMMIT")
        except sqlite3.Error:  # what stays would come again, no more
            with contextlib.suppress(sqlite3.Error):
                self._file.execute("ROLLBACK")

    def forget(self, group: str) -> None:
        """Remove a group."""
        with contextlib.suppress(sqlite3.Error):
            self._file.execute("DELETE FROM pending WHERE consumer=?", (group,))
            self._sweep()

    def _sweep(self) -> None:
        self._file.execute(
            "DELETE FROM frames WHERE number < (SELECT max(number) FROM frames)"
            " AND number NOT IN (SELECT number FROM pending)"
        )

    def close(self) -> None:
        """Close the file."""
        self.flush()
        self._file.close()
        os.close(self._lock)


def open_log(folder: Path, app: str, topic: str) -> FrameLog:
    """Return the first log of ``topic`` that no other process has.

    Raises:
        CommsError: there is none, or the folder cannot be written.
    """
    base = folder / chunk(app) / chunk(topic)
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(MAX_SOURCES):
            lock = os.open(base / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            return FrameLog(base / f"{number}.sqlite", lock)
    except OSError as error:
        raise CommsError(f"{base}: {error}", hint="where may frames be kept?") from error
    raise CommsError(f"{base}: {MAX_SOURCES} processes publish {topic!r} already")
