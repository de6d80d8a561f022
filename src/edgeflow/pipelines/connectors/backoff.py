"""How long to wait before the next attempt."""

import random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Pauses that double, each shortened by chance so that many clients do not come at once.

    Args:
        first: longest first pause in seconds.
        last: longest pause in seconds.
        chance: returns numbers from 0 to 1; injected so that tests need not guess.
    """

    def __init__(
        self,
        first: float = 0.25,
        last: float = 10.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._last = max(first, last)
        self._chance = chance
        self._bound = first

    def next(self) -> float:
        """Return the pause before the next attempt: from half its bound up to the bound."""
        pause = self._bound * (0.5 + 0.5 * self._chance())
        self._bound = min(2 * self._bound, self._last)
        return pause

    def reset(self) -> None:
        """Begin again: an attempt has succeeded."""
        self._bound = self._first
