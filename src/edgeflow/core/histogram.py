"""A latency histogram cheap enough for every frame, mergeable across replicas."""

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["BOUNDS_MS", "Histogram"]

BOUNDS_MS = tuple(round(0.01 * 10 ** (step / 8), 6) for step in range(56))
"""Upper bounds of the buckets in milliseconds: 8 per decade from 10 us to 75 s (+-15%)."""

_BOUNDS_NS = tuple(int(bound * 1e6) for bound in BOUNDS_MS)


class Histogram:
    """Counts durations in logarithmic buckets.

    Attributes:
        counts: one count per bound of ``BOUNDS_MS``, and one for what is above the last.
        total_ns: sum of all durations.
    """

    __slots__ = ("counts", "total_ns")

    def __init__(self, counts: Sequence[int] = (), total_ns: int = 0) -> None:
        self.counts = list(counts) if counts else [0] * (len(BOUNDS_MS) + 1)
        self.total_ns = total_ns

    def add(self, duration_ns: int) -> None:
        """Count one duration."""
        self.counts[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        self.total_ns += duration_ns

    def merge(self, other: "Histogram") -> None:
        """Add the counts of another histogram."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total_ns += other.total_ns

    def minus(self, earlier: "Histogram") -> "Histogram":
        """Return what was added since ``earlier``."""
        counts = [max(0, a - b) for a, b in zip(self.counts, earlier.counts, strict=True)]
        return Histogram(counts, max(0, self.total_ns - earlier.total_ns))

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def quantile_ms(self, q: float) -> float:
        """Return the q-quantile in milliseconds (0.0 when empty), interpolated in its bucket."""
        total = self.count
        if not total:
            return 0.0
        rank, seen = q * total, 0
        for index, count in enumerate(self.counts):
            if count and seen + count >= rank:
                low = BOUNDS_MS[index - 1] if index else 0.0
                high = BOUNDS_MS[min(index, len(BOUNDS_MS) - 1)]
                return low + (high - low) * max(0.0, (rank - seen) / count)
            seen += count
        return BOUNDS_MS[-1]
