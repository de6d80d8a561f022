"""Deliveries that were given up, kept in a file until somebody sends them again."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

__all__ = ["DeadLetter", "DeadLetters"]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery that was given up. It holds no credentials: those are the dispatcher's.

    Attributes:
        id: of the delivery, the same in every attempt.
        time: seconds since the Unix epoch at which it was given up.
        url: where it should go; body: base64.
        error: why it was given up.
    """

    id: str
    time: float
    url: str
    agent: str
    pipeline: str
    content_type: str
    body: str
    error: str
    attempts: int


class DeadLetters:
    """A file of JSON lines, bounded: when it is full, the oldest half goes. Calls block.

    Args:
        path: the file.
        max_bytes: its largest size.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def add(self, letter: DeadLetter) -> int:
        """Append a letter; return how many old ones had to go for it, itself included."""
        line = msgspec.json.encode(letter) + b"\n"
        if len(line) > self._max_bytes:
            return 1
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            gone = self._make_room(len(line))
            self.path.touch(mode=0o600)
            with self.path.open("ab") as file:
                file.write(line)
        return gone

    def take(self) -> list[DeadLetter]:
        """Remove and return all letters, oldest first; lines that are none are left out."""
        with self._lock:
            letters = list(self._read())
            self.path.unlink(missing_ok=True)
        return letters

    def read(self) -> list[DeadLetter]:
        """Return all letters, oldest first."""
        with self._lock:
            return list(self._read())

    def _read(self) -> Iterator[DeadLetter]:
        for line in self._lines():
            try:
                yield msgspec.json.decode(line, type=DeadLetter)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue

    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().splitlines() if self.path.exists() else []

    def _make_room(self, adding: int) -> int:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size + adding <= self._max_bytes:
            return 0
        lines = self._lines()
        kept: list[bytes] = []
        room = min(self._max_bytes - adding, self._max_bytes // 2)
        for line in reversed(lines):
            room -= len(line) + 1
            if room < 0:
                break
            kept.append(line)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(b"".join(line + b"\n" for line in reversed(kept)))
        fresh.replace(self.path)
        return len(lines) - len(kept)
