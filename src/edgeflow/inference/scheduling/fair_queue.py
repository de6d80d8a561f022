"""A bounded queue that is fair: priorities first, then clients in turn, then first come."""

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

__all__ = ["FairQueue", "Queued"]


class Queued(Protocol):
    """What the queue must know of an entry."""

    client: str
    priority: int


T = TypeVar("T", bound=Queued)


class FairQueue(Generic[T]):
    """Entries of several clients. Not thread-safe: its owner holds a lock.

    Clients of one priority take turns; the entries of one client keep their order.

    Args:
        capacity: entries held at most.
    """

    __slots__ = ("_levels", "_order", "_size", "capacity")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._levels: dict[int, dict[str, deque[T]]] = {}
        self._order: list[int] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        for priority in self._order:
            for waiting in self._levels[-priority].values():
                yield from waiting

    def push(self, entry: T) -> None:
        """Add an entry; whoever calls has asked ``victim`` for room before."""
        level = self._levels.get(entry.priority)
        if level is None:
            level = self._levels[entry.priority] = {}
            insort(self._order, -entry.priority)
        waiting = level.get(entry.client)
        if waiting is None:
            level[entry.client] = deque((entry,))
        else:
            waiting.append(entry)
        self._size += 1

    def pop(self, fits: Callable[[T], bool] | None = None) -> T | None:
        """Take the entry whose turn it is; with ``fits``, the first whose client's next one fits.

        None when there is none.
        """
        for negative in self._order:
            level = self._levels[-negative]
            for client, waiting in level.items():
                if fits is None or fits(waiting[0]):
                    del level[client]
                    entry = waiting.popleft()
                    if waiting:
                        level[client] = waiting
                    elif not level:
                        self._forget(-negative)
                    self._size -= 1
                    return entry
        return None

    def remove(self, entry: T) -> bool:
        """Take out one entry; False when it is not here."""
        level = self._levels.get(entry.priority, {})
        waiting = level.get(entry.client)
        if waiting is None or entry not in waiting:
            return False
        waiting.remove(entry)
        if not waiting:
            del level[entry.client]
        if not level:
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

        The lowest priority loses; in it, the client that has most waiting; of its entries the
        newest, or with ``oldest`` the oldest.
        """
        lowest = -self._order[-1] if self._order else newcomer.priority
        if lowest > newcomer.priority:
            return newcomer
        level = self._levels.get(lowest, {})
        own = level.get(newcomer.client) if lowest == newcomer.priority else None
        greediest = max(level.values(), key=len, default=None)
        if greediest is None:
            return newcomer
        if lowest == newcomer.priority and len(own or ()) + 1 >= len(greediest):
            if not oldest:
                return newcomer
            return own[0] if own else next(iter(level.values()))[0]
        return greediest[0 if oldest else -1]

    def _forget(self, priority: int) -> None:
        del self._levels[priority]
        self._order.remove(-priority)
