"""A write-ahead buffer on disk: batches in the order they came, until somebody has taken them.

A segment is a file of records: length (u32, little-endian) and CRC-32 of the body, 12 bytes that no
other record has, the body. What a crash left of the last one is cut off when the spool is opened.
"""

import contextlib
import fcntl
import os
import re
import struct
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import structlog

from edgeflow.errors import StoreError

__all__ = ["GROUP_BYTES", "Position", "Record", "Spool"]

_log = structlog.get_logger(__name__)

SEGMENT_BYTES = 16 << 20
MAX_RECORD = 16 << 20
GROUP_BYTES = 1 << 20
GROUP_RECORDS = 1000
_HEAD = struct.Struct("<II12s")
_COUNT = struct.Struct("<I")
_NAME = re.compile(r"(\d{10})\.spool")
_DONE, _LOCK = "done", "lock"


class Position(NamedTuple):
    """A place in the spool."""

    segment: int
    offset: int

    def __str__(self) -> str:
        return f"{self.segment}-{self.offset}"


class Record(NamedTuple):
    """A batch, what it alone is called, and where the next one begins."""

    body: bytes
    token: str
    after: Position


class Spool:
    """Records on disk. One thread may append while another one takes.

    Args:
        folder: made if it is missing; of one spool at a time.
        limit: bytes on disk above which ``append`` refuses.
        sync: whether ``append`` waits for the disk: without, a lost process loses nothing, and a
            lost machine what its system had not written yet.

    Raises:
        StoreError: the folder cannot be used, or another spool has it open.
    """

    def __init__(self, folder: Path, *, limit: int = 1 << 30, sync: bool = True) -> None:
        self._folder, self._limit, self._sync = folder, limit, sync
        self._lock = threading.Lock()
        self._fresh = threading.Condition(self._lock)
        self._sealed = self._closed = False
        self._run, self._count = os.urandom(8), 0
        self._size = 0
        self._taken = self._begun = self._end = Position(1, 0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as on_error:
                self._locked = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
                on_error.callback(os.close, self._locked)
                fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._recover()
                on_error.pop_all()
        except BlockingIOError:
            raise StoreError(
                f"{folder} is in use", hint="by another process? give each a folder of its own"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{folder}: {error}", hint="where may the spool be written?"
            ) from error

    @property
    def pending_bytes(self) -> int:
        """What waits to be taken."""
        with self._lock:
            return self._size

    def append(self, body: bytes) -> Position:
        """Keep a record, and return where it begins.

        Raises:
            StoreError: the spool is full, closed or cannot be written; nothing was kept.
        """
        if not 0 < len(body) <= MAX_RECORD:
            raise StoreError(f"a record of {len(body)} bytes", hint=f"1 to {MAX_RECORD}")
        with self._fresh:
            self._check(len(body))
            at = self._end
            try:
                self._count += 1
                own = self._run + _COUNT.pack(self._count)
                self._write(_HEAD.pack(len(body), zlib.crc32(body), own) + body)
            except OSError as error:
                self._undo(at)
                raise StoreError(f"{self._folder}: {error}", hint="is the disk full?") from error
            self._fresh.notify_all()
        return at

    def wait(self, timeout: float) -> bool:
        """Wait until there is something to take; False after ``timeout`` seconds, or closed."""
        with self._fresh:
            return self._fresh.wait_for(
                lambda: self._taken < self._end or self._sealed, timeout
            ) and (self._taken < self._end)

    def group(self) -> list[Record]:
        """The oldest records that were not taken, up to about a megabyte of them; empty for none.

        Until it is taken it stays the same group, whatever is appended and however often the
        process ends: what it becomes elsewhere can be told again by its first record's token.

        Raises:
            StoreError: they cannot be read, or not be written down as begun.
        """
        with self._lock:
            at, end = self._taken, self._end
            begun = self._begun if self._begun > at else None
            if self._sealed or at >= end:
                return []
        try:
            found = self._read_group(at, begun or end, is_begun=begun is not None)
            if begun is None and found:
                self._note(at, found[-1].after)
                self._begun = found[-1].after
        except OSError as error:
            raise StoreError(f"{self._folder}: {error}") from error
        return found

    def take(self, records: Sequence[Record]) -> None:
        """A group arrived elsewhere: it will not come again.

        Raises:
            StoreError: that cannot be written down; it would come again.
        """
        after = records[-1].after
        with self._lock:
            if self._closed:
                raise StoreError(f"{self._folder} is closed")
            try:
                self._note(after, after)
                for segment in range(self._taken.segment, after.segment):
                    self._path(segment).unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{self._folder}: {error}") from error
            self._size -= sum(len(record.body) + _HEAD.size for record in records)
            self._taken = after

    def seal(self) -> None:
        """Append nothing and wait for nothing any more; a group that was begun may be taken."""
        with self._fresh:
            self._sealed = True
            self._fresh.notify_all()

    def close(self) -> None:
        """Close the file; what waits is there at the next start. Idempotent."""
        self.seal()
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._file)
                os.close(self._locked)

    def _recover(self) -> None:
        self._taken, self._begun = self._noted()
        segments = sorted(
            int(match[1])
            for entry in self._folder.iterdir()
            if (match := _NAME.fullmatch(entry.name))
        )
        for segment in [each for each in segments if each < self._taken.segment]:
            self._path(segment).unlink()
        segments = [each for each in segments if each >= self._taken.segment]
        last = segments[-1] if segments else self._taken.segment
        if segments and segments[0] > self._taken.segment:
            self._taken = Position(segments[0], 0)
        end = self._whole(last) if segments else 0
        self._end = Position(last, end)
        self._taken = min(self._taken, self._end)
        self._file = os.open(self._path(last), os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, end)
        self._size = sum(self._path(each).stat().st_size for each in segments) - self._taken.offset

    def _whole(self, segment: int) -> int:
        """Bytes of a segment's whole records."""
        at, path = 0, self._path(segment)
        size = path.stat().st_size
        with path.open("rb") as file:
            while True:
                head = file.read(_HEAD.size)
                if len(head) < _HEAD.size:
                    break
                length, crc, _ = _HEAD.unpack(head)
                body = file.read(length) if length <= MAX_RECORD else b""
                if len(body) < max(1, length) or zlib.crc32(body) != crc:
                    break
                at += _HEAD.size + length
        if at < size:
            _log.warning("spool_tail_cut", path=str(path), at=at, cut=size - at)
        return at

    def _read_group(self, at: Position, end: Position, *, is_begun: bool) -> list[Record]:
        found: list[Record] = []
        size = 0
        while at < end:
            with self._path(at.segment).open("rb") as file:
                file.seek(at.offset)
                while at < end and (record := self._read(file, at)) is not None:
                    found.append(record)
                    at, size = record.after, size + len(record.body)
                    if not is_begun and (size >= GROUP_BYTES or len(found) >= GROUP_RECORDS):
                        return found
            if at.segment >= end.segment:
                break
            at = Position(at.segment + 1, 0)
        return found

    def _read(self, file: BinaryIO, at: Position) -> Record | None:
        """The record at the file's place, which is ``at``; None at its end."""
        head = file.read(_HEAD.size)
        if not head:
            return None
        length, crc, own = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
        body = file.read(length) if length <= MAX_RECORD else b""
        if not body or zlib.crc32(body) != crc:
            raise StoreError(
                f"{self._path(at.segment)}: the record at byte {at.offset} is damaged",
                hint="keep the file, and remove it from the spool",
            )
        return Record(body, own.hex(), Position(at.segment, at.offset + _HEAD.size + length))

    def _write(self, data: bytes) -> None:
        if self._end.offset >= SEGMENT_BYTES:
            self._turn()
        view, at = memoryview(data), self._end.offset
        while view:
            count = os.pwrite(self._file, view, at)
            view, at = view[count:], at + count
        if self._sync:
            os.fdatasync(self._file)
        self._end = Position(self._end.segment, at)
        self._size += len(data)

    def _turn(self) -> None:
        """Begin the next segment."""
        following = self._end.segment + 1
        file = os.open(self._path(following), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.close(self._file)
        self._file, self._end = file, Position(following, 0)

    def _undo(self, end: Position) -> None:
        if self._end == end:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, end.offset)

    def _check(self, size: int) -> None:
        if self._sealed:
            raise StoreError(f"{self._folder} is closed")
        if self._size + size > self._limit:
            raise StoreError(
                f"{self._folder} is full: {self._size} bytes wait to be stored",
                hint="is the store up? its limit can be raised",
            )

    def _noted(self) -> tuple[Position, Position]:
        """How far it was taken, and where the group ends that was begun."""
        try:
            numbers = [int(word) for word in (self._folder / _DONE).read_text().split("-")]
            taken = Position(numbers[0], numbers[1])
            return taken, Position(numbers[2], numbers[3]) if len(numbers) == 4 else taken
        except (FileNotFoundError, ValueError, IndexError):
            return Position(1, 0), Position(1, 0)

    def _note(self, taken: Position, begun: Position) -> None:
        fresh = self._folder / f"{_DONE}.part"
        fresh.write_text(f"{taken}-{begun}")
        fresh.replace(self._folder / _DONE)

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:010d}.spool"
