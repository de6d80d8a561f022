"""How each model fares on each gateway: its breaker and its figures."""

import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import structlog

from edgeflow.core.histogram import Histogram
from edgeflow.core.status import Activity
from edgeflow.errors import (
    DeadlineError,
    EdgeFlowError,
    OverloadedError,
    TensorError,
    UnknownModelError,
)
from edgeflow.inference.client.breaker import Breaker, BreakerRule, BreakerState
from edgeflow.inference.client.connection import NoAnswerError
from edgeflow.observe.activity import activities

__all__ = ["Standing", "Standings"]

log = structlog.get_logger(__name__)

_MAX_KEPT = 1024


@dataclass(slots=True)
class Standing:
    """One model on one gateway. Any thread may tell it of outcomes.

    Attributes:
        requests: answered with outputs; errors: failed, or refused by the gateway.
        retries: tries after the first one.
        fallbacks: answered by something else instead.
    """

    gateway: str
    model: str
    breaker: Breaker
    requests: int = 0
    errors: int = 0
    retries: int = 0
    fallbacks: int = 0
    times: Histogram = field(default_factory=Histogram)
    last_error: str | None = None
    _seen: weakref.ref[BaseException] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, duration_ns: int) -> None:
        """Account for a try that was answered with outputs."""
        self.breaker.succeed()
        with self._lock:
            self.requests += 1
            self.times.add(duration_ns)

    def failed(self, error: BaseException) -> None:
        """Account for any other try: only silence and failures count against a gateway."""
        if not isinstance(error, EdgeFlowError):
            self.breaker.forget()
            return
        with self._lock:
            self.errors += 1
            self.last_error = str(error)
        silent = isinstance(error, NoAnswerError)
        if isinstance(error, (UnknownModelError, TensorError)):
            self.breaker.succeed()
        elif isinstance(error, (OverloadedError, DeadlineError)) and not silent:
            self.breaker.forget()
        elif self.is_new(error):
            self.breaker.fail(str(error))
        else:
            self.breaker.forget()

    def is_new(self, error: BaseException) -> bool:
        """Return False if this very error was shown before: one lost connection is one failure."""
        known = self._seen is not None and self._seen() is error
        self._seen = weakref.ref(error)
        return not known


class Standings:
    """All of them; made when first asked for, at most 1024 (the oldest gives way).

    Args:
        rule: when a breaker trips.
        record: takes what people may want to know; the book of this process by default.
    """

    def __init__(
        self,
        rule: BreakerRule | None = None,
        record: Callable[[Activity], object] = activities.add,
    ) -> None:
        self._rule = rule
        self._record = record
        self._all: dict[tuple[str, str], Standing] = {}
        self._lock = threading.Lock()

    def of(self, gateway: str, model: str) -> Standing:
        """Return the one of a model on a gateway."""
        return self._all.get((gateway, model)) or self._make(gateway, model)

    def _make(self, gateway: str, model: str) -> Standing:
        with self._lock:
            found = self._all.get((gateway, model))
            if found is not None:
                return found
            if len(self._all) >= _MAX_KEPT:
                del self._all[next(iter(self._all))]

            def changed(state: BreakerState, reason: str) -> None:
                self._tell(gateway, model, state, reason)

            found = Standing(gateway, model, Breaker(self._rule, changed))
            self._all[gateway, model] = found
            return found

    def __iter__(self) -> Iterator[Standing]:
        return iter(list(self._all.values()))

    def _tell(self, gateway: str, model: str, state: BreakerState, reason: str) -> None:
        is_open = state is BreakerState.OPEN
        level = log.warning if is_open else log.info
        level("breaker_changed", gateway=gateway, model=model, state=str(state), reason=reason)
        self._record(
            Activity(
                kind="breaker",
                level="warning" if is_open else "info",
                text=f"{model} on {gateway}: circuit {state} ({reason})",
                target=gateway,
                detail={"model": model, "state": str(state), "reason": reason},
            )
        )
