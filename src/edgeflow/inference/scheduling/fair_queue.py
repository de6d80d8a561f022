"""A bounded queue that is fair: priorities first, then clients in turn, then first come."""

from bisect import insort
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from edgeflow.inference.scheduling.shares import Shares, path_of

__all__ = ["FairQueue", "Queued"]


class Queued(Protocol):
    """What the queue must know of an entry."""

    client: str
    priority: int


T = TypeVar("T", bound=Queued)


class FairQueue(Generic[T]):
    """Entries of several clients. Not thread-safe: its owner holds a lock.

    Clients of one priority take turns; the entries of one client keep their order. A client
    ``a/b/c`` is part ``c`` of part ``b`` of ``a``: parts take turns within the turn of the whole.

    Args:
        capacity: entries held at most.
    """

    __slots__ = ("_levels", "_order", "_size", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._levels: dict[int, Shares[T]] = {}
        self._order: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        for priority in self._order:
            yield from self._levels[-priority]

    def push(self, entry: T) -> None:
        """Add an entry; whoever calls has asked ``victim`` for room before."""
        level = self._levels.get(entry.priority)
        if level is None:
            level = self._levels[entry.priority] = Shares()
            insort(self._order, -entry.priority)
        level.push(path_of(entry.client), entry)
        self._size += 1

    def pop(self, fits: Callable[[T], bool] | None = None) -> T | None:
        """Take the entry whose turn it is; with ``fits``, the first whose client's next one fits.

        None when there is none.
        """
        for negative in self._order:
            level = self._levels[-negative]
            entry = level.pop(fits)
            if entry is not None:
                self._size -= 1
                if not level.size:
                    self._forget(-negative)
                return entry
        return None

    def remove(self, entry: T) -> bool:
        """Take out one entry; False when it is not here."""
        level = self._levels.get(entry.priority)
        if level is None or not level.remove(path_of(entry.client), entry):
            return False
        if not level.size:
            self._forget(entry.priority)
        self._size -= 1
        return True

    def discard(self, unwanted: Callable[[T], bool]) -> list[T]:
        """Take out every unwanted entry, in one pass."""
        taken = [entry for entry in self if unwanted(entry)]
        if taken:
            kept = [entry for entry in self if not unwanted(entry)]
            self._levels, self._order, self._size = {}, [], 0
            for entry in kept:
                self.push(entry)
        return taken

    def victim(self, newcomer: T, *, oldest: bool) -> T:
        """Return who gives way in a full queue: ``newcomer`` or an entry, which stays for now.

        The lowest priority loses; in it, the client that has most waiting, of its parts the one
        that has most; of its entries the newest, or with ``oldest`` the oldest.
        """
        lowest = -self._order[-1] if self._order else newcomer.priority
        level = self._levels.get(lowest)
        if level is None or lowest > newcomer.priority:
            return newcomer
        if lowest < newcomer.priority:
            return level.greediest(oldest=oldest)
        return level.victim(path_of(newcomer.client), newcomer, oldest=oldest)

    def _forget(self, priority: int) -> None:
        del self._levels[priority]
        self._order.remove(-priority)
