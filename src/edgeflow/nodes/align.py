"""Alignment of several streams by capture time: pure, bounded, no clock of its own."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["TimeAligner"]


T = TypeVar("T")


class TimeAligner(Generic[T]):
    """Builds sets of items, one per input, whose capture times differ by at most ``slop``.

    For each set the newest of the oldest items is the pivot; every other input gives its item
    nearest to it. Items that can no longer find partners are dropped and counted.

    Args:
        inputs: number of streams.
        slop: largest difference of capture times within a set, in seconds.
        timestamp: gives the capture time of an item.
        depth: items held per input.
        patience: seconds an item waits for partners.
        partial_after: seconds of silence after which an input is left out (None in its place).
        on_drop: called with each item that is dropped.

    Attributes:
        late: items that were older than the last set of their input.
        unmatched: items that found no partners.
    """

    def __init__(
        self,
        inputs: int,
        slop: float,
        *,
        timestamp: Callable[[T], float],
        depth: int = 50,
        patience: float = 1.0,
        partial_after: float | None = None,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        self.slop = slop
        self.late = 0
        self.unmatched = 0
        self._depth = depth
        self._patience = patience
        self._partial_after = partial_after
        self._timestamp = timestamp
        self._on_drop = on_drop
        self._waiting: list[deque[tuple[float, float, T]]] = [deque() for _ in range(inputs)]
        self._last_set: list[float] = [float("-inf")] * inputs
        self._last_seen: list[float | None] = [None] * inputs
        self._started: float | None = None

    def push(self, index: int, item: T, now: float) -> list[list[T | None]]:
        """Add an item that arrived on input ``index`` at ``now`` (monotonic seconds).

        Returns:
            The sets that are complete, oldest first.
        """
        captured = self._timestamp(item)
        self._last_seen[index] = now
        if self._started is None:
            self._started = now
        if captured <= self._last_set[index]:
            self.late += 1
            self._drop(item)
            return []
        waiting = self._waiting[index]
        if len(waiting) >= self._depth:
            self._discard(waiting)
        waiting.append((captured, now, item))
        return self.poll(now)

    def poll(self, now: float) -> list[list[T | None]]:
        """Drop what has waited too long at ``now`` and return the sets that are complete."""
        for waiting in self._waiting:
            while waiting and now - waiting[0][1] > self._patience:
                self._discard(waiting)
        sets = []
        while (found := self._next_set(now)) is not None:
            sets.append(found)
        return sets

    def flush(self) -> None:
        """Drop everything that waits."""
        for waiting in self._waiting:
            while waiting:
                self._discard(waiting)

    def _next_set(self, now: float) -> list[T | None] | None:
        active = [
            i for i in range(len(self._waiting)) if self._waiting[i] or not self._silent(i, now)
        ]
        while active and all(self._waiting[i] for i in active):
            pivot = max(self._waiting[i][0][0] for i in active)
            for i in active:
                self._advance(self._waiting[i], pivot)
            oldest = min(active, key=lambda i: self._waiting[i][0][0])
            newest = max(self._waiting[i][0][0] for i in active)
            if newest - self._waiting[oldest][0][0] <= self.slop:
                return self._take(active)
            self._discard(self._waiting[oldest])
        return None

    def _silent(self, index: int, now: float) -> bool:
        if self._partial_after is None or self._started is None:
            return False
        seen = self._last_seen[index]
        return now - (seen if seen is not None else self._started) >= self._partial_after

    def _advance(self, waiting: deque[tuple[float, float, T]], pivot: float) -> None:
        while len(waiting) > 1 and abs(waiting[1][0] - pivot) <= abs(waiting[0][0] - pivot):
            self._discard(waiting)

    def _take(self, active: Sequence[int]) -> list[T | None]:
        result: list[T | None] = [None] * len(self._waiting)
        for i in active:
            captured, _, item = self._waiting[i].popleft()
            self._last_set[i] = captured
            result[i] = item
        return result

    def _discard(self, waiting: deque[tuple[float, float, T]]) -> None:
        self.unmatched += 1
        self._drop(waiting.popleft()[2])

    def _drop(self, item: T) -> None:
        if self._on_drop is not None:
            self._on_drop(item)
