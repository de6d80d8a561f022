"""Questions to the store that any number of viewers share: timed, kept for a moment, bounded."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from edgeflow.core.climate import QueryTime
from edgeflow.errors import EdgeFlowError, OverloadedError
from edgeflow.store.tables import TableStore

__all__ = ["Pages", "Questions"]

Answer = TypeVar("Answer")
TIMES = 256
REST = 4.0
"""Times what an answer took that it is at least kept: one page takes a fifth of a core at most."""
WAIT_SECONDS = 10.0


@dataclass(slots=True)
class _Times:
    count: int = 0
    errors: int = 0
    milliseconds: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES))


class Questions:
    """Asks a store, and knows how long that takes. Thread-safe.

    Args:
        store: is asked.
    """

    def __init__(self, store: TableStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._times: dict[str, _Times] = {}

    def ask(self, what: str, question: Callable[[TableStore], Answer]) -> Answer:
        """Answer a question; ``what`` names its kind, of which there are few."""
        begun = time.perf_counter()
        failed = True
        try:
            answer = question(self._store)
            failed = False
            return answer
        finally:
            took = 1000.0 * (time.perf_counter() - begun)
            with self._lock:
                known = self._times.setdefault(what, _Times())
                known.count += 1
                known.errors += failed
                known.milliseconds.append(took)

    def times(self) -> list[QueryTime]:
        """How long each kind takes, the slowest first."""
        with self._lock:
            found = [_summed(what, known) for what, known in self._times.items()]
        return sorted(found, key=lambda each: -each.p95_ms)


class Pages:
    """Answers of one kind, each kept for a few seconds. Thread-safe.

    One is made at a time: who asks meanwhile waits, and takes what was made.

    Args:
        seconds: for which an answer is good. capacity: answers kept.
        now: seconds of a clock that never goes back.
    """

    def __init__(
        self, seconds: float, capacity: int = 32, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._capacity, self._now = seconds, capacity, now
        self._making = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """Return the answer for a key, made anew if it is too old.

        Raises:
            OverloadedError: others were asked for too long before.
        """
        if not self._making.acquire(timeout=WAIT_SECONDS):
            raise OverloadedError("the store is slow: too many pages wait", hint="a shorter time")
        try:
            until, answer = self._kept.get(key, (0.0, None))
            begun = self._now()
            if begun >= until:
                answer = make()
                took = self._now() - begun
                self._kept[key] = (begun + took + max(self._seconds, REST * took), answer)
                self._kept.move_to_end(key)
                while len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)
            return answer  # type: ignore[return-value] # a key has answers of one type
        finally:
            self._making.release()

    def forget(self) -> None:
        """Make all answers anew from now on."""
        with self._making:
            self._kept.clear()


def error_text(error: EdgeFlowError) -> str:
    """An error in one line."""
    return f"{error.message}: {error.hint}" if error.hint else error.message


def _summed(what: str, known: _Times) -> QueryTime:
    ordered = sorted(known.milliseconds)
    return QueryTime(
        question=what,
        count=known.count,
        last_ms=known.milliseconds[-1],
        p50_ms=ordered[len(ordered) // 2],
        p95_ms=ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        errors=known.errors,
    )
