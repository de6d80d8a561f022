"""The client's numbers for Prometheus."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from edgeflow.core.histogram import BOUNDS_MS
from edgeflow.inference.client.breaker import BreakerState
from edgeflow.inference.client.direct import DirectPath
from edgeflow.inference.client.routing import AsyncTensorClient

__all__ = ["collect"]

_EVERY = 4
_LABELS = ["gateway", "model"]
_COUNTERS = {
    "requests": "Requests answered with outputs.",
    "errors": "Tries that ended with an error.",
    "retries": "Tries after the first one.",
    "fallbacks": "Requests answered by a fallback.",
}
_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


def collect(client: AsyncTensorClient, direct: DirectPath) -> Iterator[Metric]:
    """Yield the metrics of a client, by gateway and model."""
    standings = list(client.standings)
    for name, text in _COUNTERS.items():
        counter = CounterMetricFamily(f"edgeflow_gateway_{name}", text, labels=_LABELS)
        for each in standings:
            counter.add_metric([each.gateway, each.model], getattr(each, name))
        yield counter
    trips = CounterMetricFamily(
        "edgeflow_gateway_breaker_trips", "Times the circuit opened.", labels=_LABELS
    )
    state = GaugeMetricFamily(
        "edgeflow_gateway_breaker_state", "0 closed, 1 half-open, 2 open.", labels=_LABELS
    )
    times = HistogramMetricFamily(
        "edgeflow_gateway_request_seconds", "From sending to the answer.", labels=_LABELS
    )
    for each in standings:
        labels = [each.gateway, each.model]
        trips.add_metric(labels, each.breaker.trips)
        state.add_metric(labels, _STATES[each.breaker.state])
        totals = list(accumulate(each.times.counts))
        buckets = [
            (f"{bound / 1e3:.9g}", float(totals[index]))
            for index, bound in enumerate(BOUNDS_MS)
            if index % _EVERY == 0
        ]
        buckets.append(("+Inf", float(totals[-1])))
        times.add_metric(labels, buckets=buckets, sum_value=each.times.total_ns / 1e9)
    yield from (trips, state, times)
    connections = GaugeMetricFamily(
        "edgeflow_gateway_connections", "Open connections.", labels=["gateway"]
    )
    for name, pool in list(client.pools.items()):
        connections.add_metric([name], pool.connections + direct.connections(name))
    yield connections
