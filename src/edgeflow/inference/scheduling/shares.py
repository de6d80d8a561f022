"""Whose turn it is: clients take turns, and the parts of a client take turns within its own."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Shares", "path_of"]

T = TypeVar("T")

_DEPTH = 3


def path_of(client: str) -> list[str]:
    """Return the names of a client and its parts, outermost first; always as many."""
    path = client.split("/", _DEPTH - 1)
    return path if len(path) == _DEPTH else [*path, *[""] * (_DEPTH - len(path))]


class Shares(Generic[T]):
    """Entries by client, by part of it, by part of that; those of the last keep their order.

    Args:
        depth: names that lead from here to entries; 0 for where they lie.
    """

    __slots__ = ("_entries", "_parts", "size")

    def __init__(self, depth: int = _DEPTH) -> None:
        self.size = 0
        self._parts: dict[str, Shares[T]] = {}
        self._entries: deque[T] | None = None if depth else deque()

    def __iter__(self) -> Iterator[T]:
        yield from self._entries or ()
        for part in self._parts.values():
            yield from part

    def push(self, path: list[str], entry: T, at: int = 0) -> None:
        """Add an entry of the client with this path."""
        self.size += 1
        if self._entries is not None:
            self._entries.append(entry)
            return
        part = self._parts.get(path[at])
        if part is None:
            part = self._parts[path[at]] = Shares(_DEPTH - at - 1)
        part.push(path, entry, at + 1)

    def pop(self, fits: Callable[[T], bool] | None) -> T | None:
        """Take the entry whose turn it is; with ``fits``, the first one that fits of those that
        are next of their clients.
        """
        if self._entries is not None:
            if fits is not None and not fits(self._entries[0]):
                return None
            self.size -= 1
            return self._entries.popleft()
        for name, part in self._parts.items():
            entry = part.pop(fits)
            if entry is not None:
                self.size -= 1
                del self._parts[name]
                if part.size:
                    self._parts[name] = part
                return entry
        return None

    def remove(self, path: list[str], entry: T, at: int = 0) -> bool:
        """Take out one entry; False when it is not here."""
        if self._entries is not None:
            found = entry in self._entries
            if found:
                self._entries.remove(entry)
        else:
            part = self._parts.get(path[at])
            found = part is not None and part.remove(path, entry, at + 1)
            if part is not None and not part.size:
                del self._parts[path[at]]
        self.size -= found
        return found

    def victim(self, path: list[str], newcomer: T, *, oldest: bool, at: int = 0) -> T:
        """Return who gives way, ``newcomer`` or an entry: of the client that has most, of its part
        that has most, and so on, the newest, or with ``oldest`` the oldest.
        """
        if self._entries is not None:
            return self._entries[0] if oldest else newcomer
        own = self._parts.get(path[at])
        greediest = max(self._parts.values(), key=_size)
        if (own.size if own else 0) + 1 < greediest.size:
            return greediest.greediest(oldest=oldest)
        if own is not None:
            return own.victim(path, newcomer, oldest=oldest, at=at + 1)
        return next(iter(self)) if oldest else newcomer

    def greediest(self, *, oldest: bool) -> T:
        """Return who gives way to somebody of higher priority."""
        if self._entries is not None:
            return self._entries[0 if oldest else -1]
        return max(self._parts.values(), key=_size).greediest(oldest=oldest)


def _size(part: "Shares[T]") -> int:
    return part.size
