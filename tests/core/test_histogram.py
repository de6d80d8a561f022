import pytest

from edgeflow.core.histogram import BOUNDS_MS, Histogram


def test_quantiles_are_within_a_bucket():
    histogram = Histogram()
    for microseconds in range(1, 10_001):
        histogram.add(microseconds * 1000)
    assert histogram.count == 10_000
    assert histogram.quantile_ms(0.5) == pytest.approx(5.0, rel=0.2)
    assert histogram.quantile_ms(0.99) == pytest.approx(9.9, rel=0.2)


def test_extremes_and_empty():
    histogram = Histogram()
    assert histogram.quantile_ms(0.5) == 0.0
    histogram.add(0)
    histogram.add(10**12)
    assert histogram.counts[0] == 1
    assert histogram.counts[-1] == 1
    assert histogram.quantile_ms(1.0) == BOUNDS_MS[-1]


def test_merge_and_minus():
    a, b = Histogram(), Histogram()
    a.add(1_000_000)
    b.add(2_000_000)
    a.merge(b)
    assert a.count == 2
    assert a.minus(b).count == 1
    assert a.minus(b).total_ns == 1_000_000
