"""Whether a model is known to be quick: only then may a thread that has other duties compute."""

from typing import Final

__all__ = ["QUICK_SECONDS", "Pace"]

QUICK_SECONDS: Final = 0.03
"""Longest call that counts as quick."""

_CALLS: Final = 8


class Pace:
    """What the latest calls of a model took; any thread may note, a lost note does no harm.

    Attributes:
        streak: calls since the last one that was not quick.
        nbytes: the largest input among them.
    """

    __slots__ = ("nbytes", "streak")

    def __init__(self) -> None:
        self.streak = 0
        self.nbytes = 0

    def note(self, nbytes: int, seconds: float, *, failed: bool = False) -> None:
        """Remember a call that took so long with inputs of so many bytes.

        One that failed soon does not tell how long it would have taken.
        """
        if seconds > QUICK_SECONDS:
            self.streak = self.nbytes = 0
        if failed or seconds > QUICK_SECONDS:
            return
        self.streak += 1
        self.nbytes = max(self.nbytes, nbytes)

    def is_quick(self, nbytes: int) -> bool:
        """True if a call with so many bytes will be quick, by all that is known."""
        return self.streak >= _CALLS and nbytes <= self.nbytes
