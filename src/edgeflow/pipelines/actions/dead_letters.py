"""Deliveries that were given up, kept in a file until somebody sends them again."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
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

    Several processes may use one file; ``PATH.lock`` keeps them apart.

    Args:
        path: the file.
        max_bytes: its largest size.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._taken = path.with_name(path.name + ".taken")
        self._max_bytes = max_bytes

    def add(self, letter: DeadLetter) -> int:
        """Append a letter; return how many old ones had to go for it, itself included."""
        line = msgspec.json.encode(letter) + b"\n"
        if len(line) > self._max_bytes:
            return 1
        with self._alone():
            gone = self._make_room(len(line))
            _append(self.path, line)
        return gone

    def take(self) -> list[DeadLetter]:
        """Return all letters, oldest first; lines that are none are left out.

        They lie in ``PATH.taken`` until ``settle`` is called, and are taken again if it is not.
        """
        with self._alone():
            if self.path.exists():
                _append(self._taken, self.path.read_bytes())
                self.path.unlink()
            return list(_read(self._taken))

    def settle(self) -> None:
        """Forget what was taken: it was delivered, or added again."""
        with self._alone():
            self._taken.unlink(missing_ok=True)

    def read(self) -> list[DeadLetter]:
        """Return all letters, oldest first."""
        with self._alone():
            return [*_read(self._taken), *_read(self.path)]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(self.path.name + ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_room(self, adding: int) -> int:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size + adding <= self._max_bytes:
            return 0
        lines = self.path.read_bytes().splitlines()
        kept: list[bytes] = []
        room = min(self._max_bytes - adding, self._max_bytes // 2)
        for line in reversed(lines):
            room -= len(line) + 1
            if room < 0:
                break
            kept.append(line)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.unlink(missing_ok=True)
        _append(fresh, b"".join(line + b"\n" for line in reversed(kept)))
        fresh.replace(self.path)
        return len(lines) - len(kept)


def _append(path: Path, lines: bytes) -> None:
    """Append to a file that only its owner may read."""
    path.touch(mode=0o600)
    with path.open("ab") as file:
        file.write(lines)


def _read(path: Path) -> Iterator[DeadLetter]:
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            yield msgspec.json.decode(line, type=DeadLetter)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
