"""The climate system's numbers for Prometheus, under names that stay."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from edgeflow.climate.backend import ClimateBackend
from edgeflow.climate.learning.service import LearningService
from edgeflow.store.spooled import SpooledWriter

__all__ = ["render"]


def render(
    backend: ClimateBackend | None, service: LearningService | None, writer: SpooledWriter | None
) -> bytes:
    """The page of ``/metrics`` in the Prometheus text format, of what runs in this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Climate(backend, service, writer))
    return generate_latest(registry)


class _Climate(Collector):
    def __init__(
        self,
        backend: ClimateBackend | None,
        service: LearningService | None,
        writer: SpooledWriter | None,
    ) -> None:
        self._backend, self._service, self._writer = backend, service, writer

    def collect(self) -> Iterator[Metric]:
        if self._backend is not None:
            yield from _of_backend(self._backend)
        if self._service is not None:
            yield from _of_service(self._service)
        if self._writer is not None:
            yield from _of_writer(self._writer)


def _of_backend(backend: ClimateBackend) -> Iterator[Metric]:
    intake, stats = backend.intake.stats, backend.stats
    readings = CounterMetricFamily("iot_readings", "Readings that were accepted.", labels=["kind"])
    for kind, count in sorted(intake.by_kind.items()):
        readings.add_metric([kind], count)
    yield readings
    yield _counter("iot_readings_repeated", "Readings that came twice.", intake.repeated)
    yield _counter("iot_messages_redelivered", "Marked so by the broker.", backend.redelivered)
    yield _counter("iot_clocks_off", "Readings at an impossible time.", intake.clocks_off)
    yield _counter("iot_messages_refused", "Messages kept as dead letters.", intake.refused)
    yield _counter("iot_inference_requests", "Decisions that were asked for.", stats.requests)
    yield _counter("iot_window_actions", "Decisions that came.", stats.answers)
    yield _counter("iot_overrides", "Positions that people set.", stats.overrides)
    yield _counter("iot_errors", "Messages or requests that failed.", stats.errors)
    yield _gauge("iot_decision_seconds", "From request to decision, the last one.", stats.latency)
    seen = GaugeMetricFamily(
        "iot_device_last_seen", "When a device was last heard, Unix time.", labels=["device_id"]
    )
    online = GaugeMetricFamily("iot_device_online", "1 while it is.", labels=["device_id"])
    silent = GaugeMetricFamily(
        "iot_device_silent_sensors", "Sensors that stopped.", labels=["device_id"]
    )
    failed = GaugeMetricFamily(
        "iot_device_failed", "1 while it says that it fails.", labels=["device_id"]
    )
    for device in backend.registry.devices(owned=True):
        seen.add_metric([device.device_id], device.last_seen)
        online.add_metric([device.device_id], float(device.online))
        silent.add_metric([device.device_id], len(device.silent))
        failed.add_metric([device.device_id], float(bool(device.failure)))
    yield from (seen, online, silent, failed)
    alerts = CounterMetricFamily("iot_device_alerts", "Alerts about devices.", labels=["kind"])
    for kind in ("failed", "offline", "refused", "silent"):
        alerts.add_metric([kind], backend.desk.alerts.counts.get(kind, 0))
    yield alerts
    yield _counter(
        "iot_device_alerts_suppressed",
        "Changes of devices that would have been alerts too many.",
        backend.desk.alerts.suppressed,
    )


def _of_service(service: LearningService) -> Iterator[Metric]:
    stats = service.stats
    yield _counter("iot_ml_decisions", "Requests that were answered.", stats.decided)
    yield _counter("iot_ml_refused", "Requests that were ignored.", stats.refused)
    yield _counter("iot_ml_labels", "Overrides that were learnt from.", stats.labels)
    yield _counter("iot_ml_labels_doubted", "Overrides that wait for another.", stats.doubted)
    yield _counter("iot_ml_labels_recovered", "Of overrides not heard.", stats.recovered)
    yield _counter("iot_ml_candidates", "Models that were tried.", stats.candidates)
    yield _counter("iot_ml_promotions", "Models that took over.", stats.promotions)
    yield _gauge("iot_ml_decision_seconds", "Of the last decision.", stats.decision_ms / 1000.0)
    metadata = service.model.metadata
    yield _gauge("iot_ml_model_error", "Points, on held-out overrides.", metadata.error)
    drift = GaugeMetricFamily(
        "iot_ml_drift", "Population stability index; above 0.25 has shifted.", labels=["feature"]
    )
    for feature, score in service.drift.items():
        drift.add_metric([feature], score)
    yield drift
    version = GaugeMetricFamily("iot_ml_model", "1, of the model in use.", labels=["version"])
    version.add_metric([metadata.version], 1.0)
    yield version


def _of_writer(writer: SpooledWriter) -> Iterator[Metric]:
    stats = writer.stats
    yield _counter("iot_store_rows", "Rows that were stored.", stats.stored)
    yield _counter("iot_store_refused", "Rows that the store would not take.", stats.refused)
    yield _counter("iot_store_failures", "Times that the store was away.", stats.failures)
    yield _gauge("iot_spool_bytes", "What waits on disk for the store.", writer.pending_bytes)
    yield _gauge("iot_store_seconds", "Of the last batch.", stats.store_seconds)
    yield _gauge("iot_store_up", "1 while it takes rows.", float(not stats.last_error))


def _counter(name: str, about: str, value: float) -> Metric:
    return _only(CounterMetricFamily(name, about), value)


def _gauge(name: str, about: str, value: float) -> Metric:
    return _only(GaugeMetricFamily(name, about), value)


def _only(family: CounterMetricFamily | GaugeMetricFamily, value: float) -> Metric:
    family.add_metric([], value)
    return family
