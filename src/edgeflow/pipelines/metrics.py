"""Numbers of the orchestrator for Prometheus; the names are stable."""

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import Counter, Histogram
from prometheus_client.registry import Collector, CollectorRegistry

from edgeflow.core.status import FlowStatus, ModelStatus

__all__ = ["Metrics", "connector_gauges", "model_gauges", "queue_gauges"]

LATENCY_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


class Metrics:
    """Counters and histograms of one process; they outlive reloads."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry(auto_describe=False)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Any, *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        self.ingress = counter("eig_pipeline_ingress", "Messages for a pipeline.", "pipeline")
        self.dropped = counter(
            "eig_pipeline_dropped", "Messages that were not finished.", "pipeline", "reason"
        )
        self.latency = histogram(
            "eig_pipeline_latency_ms",
            "From the sensor's time to the result of the pipeline.",
            LATENCY_MS,
            "pipeline",
        )
        self.stage = histogram(
            "edgeflow_pipeline_stage_seconds", "Time in a stage.", SECONDS, "pipeline", "stage"
        )
        self.downgraded = counter(
            "edgeflow_pipeline_downgraded", "Messages for the cheaper model.", "pipeline"
        )
        self.held = counter(
            "edgeflow_pipeline_held", "Attempts repeated while the gateway was away.", "pipeline"
        )
        self.throttled = counter(
            "edgeflow_pipeline_throttled", "Throttle commands sent to sensors.", "pipeline"
        )
        self.messages = counter(
            "edgeflow_connector_messages", "Messages of a connector.", "connector"
        )
        self.acknowledged = counter(
            "edgeflow_connector_acknowledged", "Messages acknowledged.", "connector"
        )
        self.agent_runs = counter(
            "edgeflow_agent_runs", "Results an agent has looked at.", "agent", "outcome"
        )
        self.agent_seconds = histogram(
            "edgeflow_agent_seconds", "Time of an agent per result.", SECONDS, "agent"
        )
        self.actions = counter(
            "edgeflow_action_results", "Actions by outcome.", "dispatcher", "outcome"
        )
        self.action_seconds = histogram(
            "edgeflow_action_seconds", "Time of an action.", SECONDS, "dispatcher"
        )
        self.action_latency = histogram(
            "edgeflow_action_latency_ms",
            "From the sensor's time to the end of the action.",
            LATENCY_MS,
            "dispatcher",
        )

    def drop(self, pipeline: str, reason: str) -> None:
        """Count a message that is not finished."""
        self.dropped.labels(pipeline, reason).inc()

    def total_dropped(self) -> dict[tuple[str, str], float]:
        """Return the drops so far by (pipeline, reason)."""
        found: dict[tuple[str, str], float] = {}
        for metric in self.dropped.collect():
            for sample in metric.samples:
                if sample.name.endswith("_total"):
                    found[sample.labels["pipeline"], sample.labels["reason"]] = sample.value
        return found

    def render(self, gauges: Iterable[Metric]) -> bytes:
        """Return everything in the Prometheus text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(gauges))
        return generate_latest(self.registry) + generate_latest(registry)


class _Once(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def queue_gauges(status: FlowStatus, pipelines: dict[str, str]) -> Iterator[Metric]:
    """Yield the queue of each pipeline; ``pipelines`` gives their ids by node name."""
    depth = GaugeMetricFamily(
        "eig_pipeline_queue_depth", "Messages that wait for a pipeline.", labels=["pipeline"]
    )
    for node, name in pipelines.items():
        depth.add_metric([name], sum(li.depth for li in status.links if li.target == node))
    yield depth


def model_gauges(models: Iterable[ModelStatus]) -> Iterator[Metric]:
    """Yield what is known of models in this process."""
    ready = GaugeMetricFamily("edgeflow_model_ready", "1 when it can answer.", labels=["model"])
    depth = GaugeMetricFamily("edgeflow_model_queue_depth", "Requests waiting.", labels=["model"])
    for model in models:
        ready.add_metric([model.name], float(model.state == "ready"))
        depth.add_metric([model.name], model.queue_depth)
    yield ready
    yield depth


def connector_gauges(states: Iterable[tuple[str, str, int]]) -> Iterator[Metric]:
    """Yield state and losses of connectors from (name, state, dropped)."""
    connected = GaugeMetricFamily(
        "edgeflow_connector_connected", "1 while connected.", labels=["connector"]
    )
    lost = GaugeMetricFamily(
        "edgeflow_connector_lost", "Messages lost before they were taken.", labels=["connector"]
    )
    for name, state, dropped in states:
        connected.add_metric([name], float(state == "connected"))
        lost.add_metric([name], dropped)
    yield connected
    yield lost
