"""How long to wait before trying again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter: a wait is drawn from 0 to a bound that grows.

    Attributes:
        attempts: tries in all; 1 for none again.
        first_s: bound of the first wait.
        factor: growth of the bound.
        limit_s: largest bound.
        draw: gives a number from 0 to 1.
    """

    attempts: int = 8
    first_s: float = 0.05
    factor: float = 3.0
    limit_s: float = 1.0
    draw: Callable[[], float] = random.random

    def waits(self) -> Iterator[float]:
        """Yield the wait after each try that may be followed by another."""
        bound = self.first_s
        for _ in range(self.attempts - 1):
            yield self.draw() * min(bound, self.limit_s)
            bound *= self.factor
