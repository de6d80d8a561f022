"""The numbers of the servers and their models for Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from edgeflow.core.histogram import BOUNDS_MS
from edgeflow.core.status import ModelStatus
from edgeflow.inference.servers.statistics import Statistics
from edgeflow.inference.service import InferenceService

__all__ = ["CONTENT_TYPE", "CollectorOf", "ServerCollector", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_EVERY = 4
"""Buckets exported of each decade's eight: enough for a dashboard."""

_GAUGES = {
    "queue_depth": "Requests that wait.",
    "queue_capacity": "Requests that may wait.",
    "instances": "Requests that may be computed at once.",
}
_COUNTERS = {
    "requests": "Requests that have their outcome, over all protocols and pipelines.",
    "errors": "Requests that the model failed on.",
    "misfits": "Requests whose tensors did not fit the model.",
    "rejected": "Requests refused because the queue was full.",
    "late": "Requests whose deadline had passed.",
    "cancelled": "Requests whose client had left.",
}


def render(collectors: Sequence[Collector]) -> bytes:
    """Return what the collectors tell in the Prometheus text format (``CONTENT_TYPE``)."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


class CollectorOf(Collector):
    """Tells what a function does."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        """Return the numbers as they are now."""
        return self._collect()

    def describe(self) -> Iterable[Metric]:
        """Declare nothing in advance."""
        return []


class ServerCollector(Collector):
    """Tells what servers answered and how the models of their service are."""

    def __init__(self, service: InferenceService, statistics: Statistics) -> None:
        self._service = service
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Return the numbers as they are now."""
        yield from _requests(self._statistics)
        yield from _models(self._service.status())

    def describe(self) -> Iterable[Metric]:
        """Declare nothing in advance."""
        return []


def _requests(statistics: Statistics) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "edgeflow_inference_requests",
        "Requests by protocol, model and outcome; unknown models have no name.",
        labels=["protocol", "model", "outcome"],
    )
    for key, count in sorted(statistics.counts().items()):
        requests.add_metric(list(key), count)
    yield requests
    yield _seconds(statistics)


def _seconds(statistics: Statistics) -> Metric:
    family = HistogramMetricFamily(
        "edgeflow_inference_seconds",
        "From the request read to its outcome, of those answered.",
        labels=["protocol", "model"],
    )
    for key, histogram in sorted(statistics.times().items()):
        totals = list(accumulate(histogram.counts))
        buckets: list[tuple[str, float]] = [
            (f"{bound / 1e3:.9g}", float(totals[position]))
            for position, bound in enumerate(BOUNDS_MS)
            if position % _EVERY == 0
        ]
        buckets.append(("+Inf", float(totals[-1])))
        family.add_metric(list(key), buckets=buckets, sum_value=histogram.total_ns / 1e9)
    return family


def _models(models: list[ModelStatus]) -> Iterator[Metric]:
    ready = GaugeMetricFamily(
        "edgeflow_model_ready", "1 while the version answers.", labels=["model", "version"]
    )
    for model in models:
        ready.add_metric([model.name, model.version], float(model.state == "ready"))
    yield ready
    for field, text in _GAUGES.items():
        gauge = GaugeMetricFamily(f"edgeflow_model_{field}", text, labels=["model"])
        for model in models:
            gauge.add_metric([model.name], getattr(model, field))
        yield gauge
    for field, text in _COUNTERS.items():
        counter = CounterMetricFamily(f"edgeflow_model_{field}", text, labels=["model"])
        for model in models:
            counter.add_metric([model.name], getattr(model, field))
        yield counter
