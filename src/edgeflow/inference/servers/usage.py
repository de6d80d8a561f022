"""What models were asked, in the tables that all programs share."""

import time
from collections.abc import Iterator

from edgeflow.devices.history import History
from edgeflow.inference.servers.statistics import Statistics, Sums
from edgeflow.observe.activity import activities
from edgeflow.store.tables import Row

__all__ = ["keep_usage"]

MAX_MODELS = 1000
"""Rows at once; names of models come from folders."""


def keep_usage(program: str, statistics: Statistics) -> History | None:
    """Keep, each 15 s, what each model did, if ``EDGEFLOW_STORE`` asks for it.

    Returns:
        What the caller closes; None if nothing is kept.

    Raises:
        StoreError: the tables cannot be opened.
    """
    history = History.wanted(program)
    if history is not None:
        usage = _Usage(program, statistics)
        history.sample("model_usage", usage.rows)
        history.follow(activities)
        history.health(list)
    return history


class _Usage:
    def __init__(self, program: str, statistics: Statistics) -> None:
        self._program, self._statistics = program, statistics
        self._before: dict[tuple[str, str], Sums] = {}

    def rows(self) -> Iterator[Row]:
        """What was done since the last call."""
        now, sums = time.time(), self._statistics.sums()
        before, self._before = self._before, sums
        for key in sorted(sums)[:MAX_MODELS]:
            was, has = before.get(key, Sums()), sums[key]
            answered, failed = has.successes - was.successes, has.failures - was.failures
            if answered or failed:
                row: dict[str, object] = {
                    "device_id": self._program,
                    "timestamp": now,
                    "model": key[0],
                    "version": key[1],
                    "requests": answered + failed,
                    "failures": failed,
                }
                yield row | (_means(was, has, answered) if answered else {})


def _means(was: Sums, has: Sums, answered: int) -> dict[str, float]:
    scale = 1e-6 / answered
    return {
        "mean_ms": (has.success_ns - was.success_ns) * scale,
        "queue_ms": (has.queue_ns - was.queue_ns) * scale,
        "compute_ms": (has.compute_ns - was.compute_ns) * scale,
    }
