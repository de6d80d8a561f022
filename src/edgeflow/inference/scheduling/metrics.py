"""What each version of a model did, for Prometheus."""

from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from edgeflow.core.histogram import BOUNDS_MS, Histogram
from edgeflow.inference.scheduling.counters import Counters

__all__ = ["Row", "version_metrics"]

Row: TypeAlias = tuple[str, str, Counters]
"""A model, its version, and what it counted."""

_LABELS = ["model", "version"]
_EVERY = 4
"""Buckets exported of each decade's eight: enough for a dashboard."""


def version_metrics(rows: Iterable[Row]) -> Iterator[Metric]:
    """Return calls of the engine, and how long requests and calls took."""
    calls = CounterMetricFamily(
        "edgeflow_model_calls", "Calls of the engine; a batch is one call.", labels=_LABELS
    )
    total = HistogramMetricFamily(
        "edgeflow_model_seconds", "From request to answer, of those answered.", labels=_LABELS
    )
    compute = HistogramMetricFamily(
        "edgeflow_model_compute_seconds", "Inside the engine, of each call.", labels=_LABELS
    )
    for model, version, counters in rows:
        labels = [model, version]
        calls.add_metric(labels, counters.batches)
        _add(total, labels, counters.total)
        _add(compute, labels, counters.compute)
    yield calls
    yield total
    yield compute


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    totals = list(accumulate(histogram.counts))
    buckets = [
        (f"{bound / 1e3:.9g}", float(totals[place]))
        for place, bound in enumerate(BOUNDS_MS)
        if place % _EVERY == 0
    ]
    family.add_metric(
        labels,
        buckets=[*buckets, ("+Inf", float(totals[-1]))],
        sum_value=histogram.total_ns / 1e9,
    )
