"""A flow's numbers for Prometheus."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from edgeflow.core.histogram import BOUNDS_MS, Histogram
from edgeflow.core.ports import FlowView
from edgeflow.core.status import FlowStatus, LinkStatus, NodeStatus

__all__ = ["CONTENT_TYPE", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_EVERY = 4
"""Buckets exported: two per decade are enough for a dashboard and keep the page small."""

_NODE_COUNTERS = {
    "frames_in": "Frames a node has taken.",
    "frames_out": "Frames a node has sent.",
    "errors": "Exceptions of user code.",
    "restarts": "Restarts of the node or its process.",
    "late": "Frames that came after their set was made (fusion).",
    "unmatched": "Frames that found no partner in time (fusion).",
}
_LINK_COUNTERS = {
    "sent": "Frames accepted by the broker.",
    "received": "Frames taken by the target.",
    "dropped": "Frames that gave way to newer ones or were given up.",
    "redelivered": "Frames delivered again after a crash.",
    "bytes": "Payload bytes sent.",
}
_NODE_LABELS = ["app", "node", "role"]
_LINK_LABELS = ["app", "source", "target", "qos", "via"]


def render(view: FlowView) -> bytes:
    """Return the state of a flow in the Prometheus text format (``CONTENT_TYPE``)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_FlowCollector(view))
    return generate_latest(registry)


class _FlowCollector(Collector):
    def __init__(self, view: FlowView) -> None:
        self._view = view

    def collect(self) -> Iterator[Metric]:
        status = self._view.status()
        nodes, links = self._view.histograms()
        yield from _node_metrics(status, nodes)
        yield from _link_metrics(status, links)

    def describe(self) -> Iterable[Metric]:
        return []


def _node_metrics(status: FlowStatus, times: dict[str, Histogram]) -> Iterator[Metric]:
    for field, text in _NODE_COUNTERS.items():
        counter = CounterMetricFamily(f"edgeflow_node_{field}", text, labels=_NODE_LABELS)
        for node in status.nodes:
            counter.add_metric(_node_labels(status, node), getattr(node, field))
        yield counter
    alive = GaugeMetricFamily("edgeflow_node_alive", "Instances that run.", labels=_NODE_LABELS)
    wanted = GaugeMetricFamily(
        "edgeflow_node_replicas", "Instances that should run.", labels=_NODE_LABELS
    )
    for node in status.nodes:
        alive.add_metric(_node_labels(status, node), node.alive)
        wanted.add_metric(_node_labels(status, node), node.replicas)
    yield alive
    yield wanted
    process = HistogramMetricFamily(
        "edgeflow_node_process_seconds", "Time inside user code.", labels=_NODE_LABELS
    )
    for node in status.nodes:
        _add(process, _node_labels(status, node), times.get(node.name))
    yield process


def _link_metrics(status: FlowStatus, times: dict[tuple[str, str], Histogram]) -> Iterator[Metric]:
    for field, text in _LINK_COUNTERS.items():
        counter = CounterMetricFamily(f"edgeflow_link_{field}", text, labels=_LINK_LABELS)
        for link in status.links:
            counter.add_metric(_link_labels(status, link), getattr(link, field))
        yield counter
    depth = GaugeMetricFamily("edgeflow_link_depth", "Frames waiting.", labels=_LINK_LABELS)
    capacity = GaugeMetricFamily(
        "edgeflow_link_capacity", "Frames that may wait.", labels=_LINK_LABELS
    )
    latency = HistogramMetricFamily(
        "edgeflow_link_latency_seconds", "From leaving the source to entering the target.",
        labels=_LINK_LABELS,
    )  # fmt: skip
    for link in status.links:
        labels = _link_labels(status, link)
        depth.add_metric(labels, link.depth)
        capacity.add_metric(labels, link.capacity)
        _add(latency, labels, times.get((link.source, link.target)))
    yield depth
    yield capacity
    yield latency


def _node_labels(status: FlowStatus, node: NodeStatus) -> list[str]:
    return [status.app, node.name, node.role]


def _link_labels(status: FlowStatus, link: LinkStatus) -> list[str]:
    return [status.app, link.source, link.target, link.qos, link.via]


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram | None) -> None:
    if histogram is None:
        return
    totals = list(accumulate(histogram.counts))
    buckets: list[tuple[str, float]] = [
        (f"{bound / 1e3:.9g}", float(totals[index]))
        for index, bound in enumerate(BOUNDS_MS)
        if index % _EVERY == 0
    ]
    buckets.append(("+Inf", float(totals[-1])))
    family.add_metric(labels, buckets=buckets, sum_value=histogram.total_ns / 1e9)
