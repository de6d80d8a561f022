"""Offsets of simulated clocks, over ways of any delay."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.core.clock_offset import (
    ClockOffset,
    Exchange,
    OffsetEstimator,
    PeerClocks,
    chained,
)

SECOND = 1_000_000_000


class Hosts:
    """Two hosts whose clocks differ by ``offset_ns`` and drift apart by ``drift``."""

    def __init__(self, offset_ns: int, drift: float = 0.0) -> None:
        self.now = 5 * SECOND
        self._offset, self._drift = offset_ns, drift

    def there(self) -> int:
        return self.now + self.offset

    @property
    def offset(self) -> int:
        return self._offset + int(self.now * self._drift)

    def exchange(self, out_ns: int, back_ns: int, work_ns: int = 1000) -> Exchange:
        asked = self.now
        self.now += out_ns
        arrived = self.there()
        self.now += work_ns
        sent = self.there()
        self.now += back_ns
        return Exchange(asked, arrived, sent, self.now)


delays = st.lists(
    st.tuples(st.integers(0, 200_000_000), st.integers(0, 200_000_000), st.integers(0, SECOND)),
    min_size=1,
    max_size=60,
)


@given(st.integers(-(10**15), 10**15), st.floats(-1e-4, 1e-4), delays)
def test_the_truth_is_within_the_bound_whatever_the_delays(offset, drift, ways):
    hosts, estimator = Hosts(offset, drift), OffsetEstimator()
    for out, back, pause in ways:
        estimator.add(hosts.exchange(out, back))
        hosts.now += pause
        found = estimator.estimate(hosts.now)
        assert abs(found.offset_ns - hosts.offset) <= found.error_ns + 2


def test_one_way_that_is_always_slower_stays_within_half_the_round_trip():
    hosts, estimator = Hosts(123 * SECOND), OffsetEstimator()
    for _ in range(100):
        estimator.add(hosts.exchange(30_000_000, 5_000_000))
        hosts.now += SECOND // 2
    found = estimator.estimate(hosts.now)
    assert found.error_ns == pytest.approx(17_500_000, rel=0.01)
    assert abs(found.offset_ns - hosts.offset) == pytest.approx(12_500_000, rel=0.01)


def test_the_bound_is_far_below_the_usual_round_trip():
    chance, hosts, estimator = random.Random(3), Hosts(-42 * SECOND), OffsetEstimator()
    for _ in range(200):
        estimator.add(hosts.exchange(int(chance.expovariate(1e-6)), int(chance.expovariate(1e-6))))
        hosts.now += SECOND // 2
    found = estimator.estimate(hosts.now)
    assert found.error_ns < 500_000  # of 2 ms
    assert abs(found.offset_ns - hosts.offset) <= found.error_ns


def test_the_bound_grows_while_nothing_is_heard():
    hosts, estimator = Hosts(0), OffsetEstimator()
    estimator.add(hosts.exchange(1000, 1000))
    soon, late = estimator.estimate(hosts.now), estimator.estimate(hosts.now + 60 * SECOND)
    assert late.error_ns - soon.error_ns == 6_000_000
    assert late.offset_ns == soon.offset_ns


def test_a_clock_that_was_set_anew_is_followed():
    estimator = OffsetEstimator()
    estimator.add(Hosts(10 * SECOND).exchange(1_000_000, 1_000_000))
    rebooted = Hosts(-3 * SECOND)
    rebooted.now += SECOND
    estimator.add(rebooted.exchange(1_000_000, 1_000_000))
    found = estimator.estimate(rebooted.now)
    assert abs(found.offset_ns + 3 * SECOND) <= found.error_ns


def test_an_exchange_that_cannot_be_is_ignored():
    estimator = OffsetEstimator()
    estimator.add(Exchange(0, 100, 50, 10))  # sent before it arrived
    estimator.add(Exchange(0, 100, 900, 10))  # took longer there than there and back
    assert estimator.estimate(0) is None


def test_the_best_of_several_peers_speaks_for_their_host():
    clocks = PeerClocks(now_ns=lambda: 0)
    clocks.exchanged("a", "far", Exchange(0, 1000, 1000, 400))
    clocks.exchanged("b", "far", Exchange(0, 900, 900, 100))
    clocks.exchanged("c", "near", Exchange(0, 10, 10, 20))
    assert clocks.hosts() == {"far": ClockOffset(850, 51), "near": ClockOffset(0, 11)}
    assert clocks.round_trip_ns("b") == 102
    clocks.forget("b")
    assert clocks.hosts()["far"].error_ns == 201
    assert clocks.round_trip_ns("b") is None


def test_peers_are_bounded():
    clocks = PeerClocks(now_ns=lambda: 0, most=2)
    for number in range(5):
        clocks.exchanged(f"p{number}", f"h{number}", Exchange(0, 10, 10, 20))
    assert sorted(clocks.hosts()) == ["h0", "h1"]


def test_offsets_are_chained_along_the_most_certain_way():
    measured = {
        "a": {"b": ClockOffset(100, 10), "c": ClockOffset(999, 500)},
        "c": {"b": ClockOffset(-50, 5)},
        "lone": {"island": ClockOffset(1, 1)},
    }
    assert chained(measured, "a") == {
        "a": ClockOffset(0, 0),
        "b": ClockOffset(100, 10),
        "c": ClockOffset(150, 15),
    }
    assert chained({}, "a") == {"a": ClockOffset(0, 0)}
