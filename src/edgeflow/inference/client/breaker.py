"""A circuit breaker: after repeated failures it stops asking, then tries one request again."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Breaker", "BreakerRule", "BreakerState"]


class BreakerState(StrEnum):
    """Whether requests go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When it trips.

    Attributes:
        failures: in a row, with no success between them.
        rest_s: how long it stays open before one request may try; doubles with each failed try.
        rest_limit_s: longest rest.
        clock: monotonic seconds.
    """

    failures: int = 5
    rest_s: float = 1.0
    rest_limit_s: float = 30.0
    clock: Callable[[], float] = time.monotonic


class Breaker:
    """Guards one model on one gateway. Any thread may call it.

    Every ``allow`` that returned True is followed by one ``succeed``, ``fail`` or ``forget``.

    Args:
        rule: when it trips.
        changed: told the new state and why; must be quick.
    """

    def __init__(
        self,
        rule: BreakerRule | None = None,
        changed: Callable[[BreakerState, str], None] = lambda *_: None,
    ) -> None:
        self.trips = 0
        self._rule = rule or BreakerRule()
        self._changed = changed
        self._lock = threading.Lock()
        self._state = BreakerState.CLOSED
        self._failed = 0
        self._trying = False
        self._rest = self._rule.rest_s
        self._until = 0.0

    @property
    def state(self) -> BreakerState:
        """Whether requests go through; ``half-open`` when one may try."""
        with self._lock:
            if self._state is BreakerState.OPEN and self._rule.clock() >= self._until:
                return BreakerState.HALF_OPEN
            return self._state

    def allow(self) -> bool:
        """Return whether a request may be sent now."""
        with self._lock:
            if self._state is BreakerState.CLOSED:
                return True
            if self._trying or self._rule.clock() < self._until:
                return False
            self._trying = True
            told = self._move(BreakerState.HALF_OPEN)
        self._tell(told, "one request tries")
        return True

    def succeed(self) -> None:
        """Say that a request was answered, be it with "unknown model"."""
        with self._lock:
            self._failed = 0
            self._trying = False
            self._rest = self._rule.rest_s
            told = self._move(BreakerState.CLOSED)
        self._tell(told, "a request was answered")

    def fail(self, reason: str) -> None:
        """Say that a request got no answer, or that the model failed."""
        with self._lock:
            self._failed += 1
            told = False
            if self._state is not BreakerState.CLOSED or self._failed >= self._rule.failures:
                if self._trying:
                    self._rest = min(self._rest * 2, self._rule.rest_limit_s)
                told = self._move(BreakerState.OPEN)
                if told:
                    self.trips += 1
                    self._until = self._rule.clock() + self._rest
            self._trying = False
        self._tell(told, reason)

    def forget(self) -> None:
        """Say that a request ended in a way that tells nothing (cancelled, overloaded)."""
        with self._lock:
            self._trying = False

    def _move(self, state: BreakerState) -> bool:
        moved, self._state = self._state is not state, state
        return moved

    def _tell(self, told: bool, reason: str) -> None:
        if told:
            self._changed(self._state, reason)
