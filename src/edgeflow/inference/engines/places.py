"""A bounded number of things that serve one call at a time, made when they are first needed."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from edgeflow.errors import EngineError

__all__ = ["Places"]

Thing = TypeVar("Thing")

_WAIT = 30.0
"""Seconds that a call waits for a place, at most."""


class Places(Generic[Thing]):
    """Lends things to calls. The one used last is lent first.

    Args:
        name: whose they are, for messages.
        first: a thing that is there already.
        make: makes another one.
        count: how many there may be.
        free: told of each that is not used any more.
    """

    def __init__(
        self,
        name: str,
        first: Thing,
        make: Callable[[], Thing],
        count: int,
        free: Callable[[Thing], None] | None = None,
    ) -> None:
        self._name, self._make, self._free = name, make, free
        self._closed = False
        self._idle: queue.LifoQueue[Thing | None] = queue.LifoQueue(count)
        for _ in range(count - 1):
            self._idle.put(None)
        self._idle.put(first)

    @contextmanager
    def borrow(self) -> Iterator[Thing]:
        """Lend one for a call; it waits for its turn.

        Raises:
            EngineError: none was free in time, or all are closed.
        """
        try:
            thing = self._idle.get(timeout=_WAIT)
        except queue.Empty:
            raise EngineError(f"{self._name}: no place was free for {_WAIT:g} s") from None
        try:
            if self._closed:
                raise EngineError(f"{self._name}: the engine is closed")
            if thing is None:
                thing = self._make()
            yield thing
        finally:
            self._give_back(thing)

    def close(self) -> None:
        """Free those that are idle now, and the others when they come back. Idempotent."""
        self._closed = True
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for thing in idle:
            self._give_back(thing)

    def _give_back(self, thing: Thing | None) -> None:
        if self._closed and thing is not None:
            if self._free is not None:
                self._free(thing)
            thing = None
        self._idle.put(thing)
