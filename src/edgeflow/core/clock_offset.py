"""How far the monotonic clocks of two hosts are apart, from messages that go there and back.

An exchange has four stamps: asked (here), arrived (there), sent (there), returned (here). However
its delay was split between the two ways, the offset lies between ``sent - returned`` and
``arrived - asked``. Each exchange gives such an interval, and the offset lies in all of them;
between exchanges the interval grows by what two clocks may drift apart.
"""

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["ClockOffset", "Exchange", "OffsetEstimator", "PeerClocks", "chained"]

DRIFT = 100e-6
"""Two crystals of 50 ppm each."""


class Exchange(NamedTuple):
    """Stamps of a message and its answer, in ns: here, there, there, here."""

    asked_ns: int
    arrived_ns: int
    sent_ns: int
    returned_ns: int


class ClockOffset(NamedTuple):
    """``there - here`` in ns; the truth is at most ``error_ns`` away."""

    offset_ns: int
    error_ns: int

    def reversed(self) -> "ClockOffset":
        """The same, seen from the other side."""
        return ClockOffset(-self.offset_ns, self.error_ns)

    def then(self, further: "ClockOffset") -> "ClockOffset":
        """From here to a third clock by way of the second."""
        return ClockOffset(self.offset_ns + further.offset_ns, self.error_ns + further.error_ns)


class OffsetEstimator:
    """The offset to one clock.

    Args:
        drift: how fast the two clocks may drift apart, in seconds per second.
    """

    def __init__(self, drift: float = DRIFT) -> None:
        self._drift = drift
        self._low = self._high = 0
        self._at: int | None = None

    def add(self, exchange: Exchange) -> None:
        """Take in an exchange; one that cannot be (sent before it arrived) is ignored."""
        asked_ns, arrived_ns, sent_ns, returned_ns = exchange
        if sent_ns < arrived_ns or returned_ns - asked_ns < sent_ns - arrived_ns:
            return
        drifted = int((returned_ns - asked_ns) * self._drift) + 1
        low, high = sent_ns - returned_ns - drifted, arrived_ns - asked_ns + drifted
        if self._at is not None:
            before_low, before_high = self._widened(returned_ns)
            both = max(low, before_low), min(high, before_high)
            if both[0] <= both[1]:  # else a clock was set anew: its host slept, or is another one
                low, high = both
        self._low, self._high, self._at = low, high, returned_ns

    def estimate(self, now_ns: int) -> ClockOffset | None:
        """Return the offset as of ``now_ns`` here; None before the first exchange."""
        if self._at is None:
            return None
        low, high = self._widened(now_ns)
        return ClockOffset((low + high) // 2, (high - low + 1) // 2)

    def _widened(self, now_ns: int) -> tuple[int, int]:
        grown = int(max(0, now_ns - (self._at or 0)) * self._drift)
        return self._low - grown, self._high + grown


class PeerClocks:
    """Offsets to the clocks of peers, which are told apart by an id and sit on named hosts."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns, most: int = 1024) -> None:
        self._now_ns, self._most = now_ns, most
        self._lock = threading.Lock()
        self._peers: dict[str, tuple[str, OffsetEstimator]] = {}

    def exchanged(self, peer: str, host: str, exchange: Exchange) -> None:
        """Take in an exchange with ``peer``, which says it runs on ``host``."""
        with self._lock:
            known = self._peers.get(peer)
            if known is None or known[0] != host:
                if len(self._peers) >= self._most:
                    return
                known = self._peers[peer] = (host, OffsetEstimator())
            known[1].add(exchange)

    def forget(self, peer: str) -> None:
        """A peer has gone."""
        with self._lock:
            self._peers.pop(peer, None)

    def round_trip_ns(self, peer: str) -> int | None:
        """Return about the time that a message takes to ``peer`` and back, at best."""
        with self._lock:
            known = self._peers.get(peer)
        found = known[1].estimate(self._now_ns()) if known is not None else None
        return None if found is None else 2 * found.error_ns

    def hosts(self) -> dict[str, ClockOffset]:
        """Return the best offset per host."""
        now_ns = self._now_ns()
        with self._lock:
            known = list(self._peers.values())
        best: dict[str, ClockOffset] = {}
        for host, estimator in known:
            found = estimator.estimate(now_ns)
            if found is not None and (host not in best or found.error_ns < best[host].error_ns):
                best[host] = found
        return best


def chained(
    measured: Mapping[str, Mapping[str, ClockOffset]], start: str
) -> dict[str, ClockOffset]:
    """Return the offset of every host that can be reached from ``start`` by measurements.

    Args:
        measured: per host, the offsets it has measured; each holds in reverse as well.
        start: where to begin.

    Returns:
        The offsets with the smallest bounds, ``start`` (0) among them.
    """
    edges: dict[str, list[tuple[str, ClockOffset]]] = {}
    for here, found in measured.items():
        for there, offset in found.items():
            edges.setdefault(here, []).append((there, offset))
            edges.setdefault(there, []).append((here, offset.reversed()))
    best: dict[str, ClockOffset] = {}
    waiting = [(0, start, 0)]
    while waiting:
        error, host, offset_ns = heapq.heappop(waiting)
        if host in best:
            continue
        best[host] = ClockOffset(offset_ns, error)
        for there, step in edges.get(host, ()):
            if there not in best:
                reached = best[host].then(step)
                heapq.heappush(waiting, (reached.error_ns, there, reached.offset_ns))
    return best
