"""The tensor server's numbers for Prometheus."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from edgeflow.core.histogram import BOUNDS_MS, Histogram
from edgeflow.inference.servers.tensor_desk import Desk

__all__ = ["collect"]

_EVERY = 4


def collect(desk: Desk) -> Iterator[Metric]:
    """Yield the metrics of a server; the two bare counters have the names of the reference."""
    yield CounterMetricFamily("eig_requests", "Requests answered with outputs.", desk.succeeded)
    yield CounterMetricFamily("eig_errors", "Requests answered with an error.", desk.failed)
    requests = CounterMetricFamily(
        "edgeflow_tensor_requests",
        "Requests over the tensor protocol.",
        labels=["protocol", "model", "status"],
    )
    for (protocol, model, status), count in list(desk.requests.items()):
        requests.add_metric([str(protocol), model, status.name.lower()], count)
    yield requests
    yield _histogram(desk.times)
    received, sent = desk.bytes_received, desk.bytes_sent
    yield CounterMetricFamily("edgeflow_tensor_received_bytes", "Bytes received.", received)
    yield CounterMetricFamily("edgeflow_tensor_sent_bytes", "Bytes sent.", sent)
    yield CounterMetricFamily(
        "edgeflow_tensor_cancelled", "Requests whose client had left.", desk.cancelled
    )
    yield CounterMetricFamily(
        "edgeflow_tensor_refused_clients", "Connections refused.", desk.refused_clients
    )
    clients = list(desk.connections)
    flight = sum(len(client.flight) for client in clients)
    yield GaugeMetricFamily("edgeflow_tensor_clients", "Connections.", len(clients))
    yield GaugeMetricFamily("edgeflow_tensor_in_flight", "Requests under way.", flight)
    yield GaugeMetricFamily(
        "edgeflow_tensor_memory_bytes", "Memory held by requests under way.", desk.memory
    )


def _histogram(times: Histogram) -> Metric:
    family = HistogramMetricFamily(
        "edgeflow_tensor_request_seconds", "From the last byte received to the answer."
    )
    totals = list(accumulate(times.counts))
    buckets = [
        (f"{bound / 1e3:.9g}", float(totals[index]))
        for index, bound in enumerate(BOUNDS_MS)
        if index % _EVERY == 0
    ]
    buckets.append(("+Inf", float(totals[-1])))
    family.add_metric([], buckets=buckets, sum_value=times.total_ns / 1e9)
    return family
