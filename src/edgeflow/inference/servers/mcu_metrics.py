"""The numbers of boards for Prometheus."""

from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edgeflow.core.status import DeviceStatus

__all__ = ["board_metrics"]

_Read: TypeAlias = Callable[[DeviceStatus], float]

_GAUGES: dict[str, tuple[str, _Read]] = {
    "queue_depth": ("Requests that wait or are under way.", lambda d: d.queue_depth),
    "queue_capacity": ("Requests that may wait.", lambda d: d.queue_capacity),
    "baud": ("Rate of the serial line.", lambda d: d.baud),
    "last_seen_seconds": ("When it answered last, seconds since 1970.", lambda d: d.last_seen),
    "wire_p50_seconds": ("Median time on the wire.", lambda d: d.wire_p50_ms / 1e3),
    "compute_p50_seconds": ("Median time of the model.", lambda d: d.compute_p50_ms / 1e3),
    "p99_seconds": ("From request to answer.", lambda d: d.p99_ms / 1e3),
}
_COUNTERS: dict[str, tuple[str, _Read]] = {
    "requests": ("Requests that have their outcome.", lambda d: d.requests),
    "errors": ("Requests that failed.", lambda d: d.errors),
}


def board_metrics(devices: list[DeviceStatus], answering: Collection[str]) -> Iterator[Metric]:
    """Yield the numbers of all boards; each is labelled with the board's name.

    Args:
        devices: how they stand.
        answering: names of those that answer with a model now.
    """
    ready = GaugeMetricFamily(
        "edgeflow_board_ready", "1 while the board answers with a model.", labels=["board"]
    )
    for device in devices:
        ready.add_metric([device.name], float(device.name in answering))
    yield ready
    for name, (text, read) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"edgeflow_board_{name}", text, labels=["board"])
        for device in devices:
            gauge.add_metric([device.name], read(device))
        yield gauge
    for name, (text, read) in _COUNTERS.items():
        counter = CounterMetricFamily(f"edgeflow_board_{name}", text, labels=["board"])
        for device in devices:
            counter.add_metric([device.name], read(device))
        yield counter
    yield _own(devices)
    yield _models(devices)


def _own(devices: list[DeviceStatus]) -> Metric:
    family = GaugeMetricFamily(
        "edgeflow_board_counter",
        "The board's own counters since its start.",
        labels=["board", "counter"],
    )
    for device in devices:
        for counter, value in device.counters.items():
            family.add_metric([device.name, counter], value)
    return family


def _models(devices: list[DeviceStatus]) -> Metric:
    family = GaugeMetricFamily(
        "edgeflow_board_model",
        "1 for each model that answers.",
        labels=["board", "id", "name", "version", "slot", "sha256"],
    )
    for device in devices:
        for model in device.models:
            if model.slot != "none":
                labels = [device.name, str(model.id), model.name, str(model.version)]
                family.add_metric([*labels, model.slot, model.sha256[:16]], 1.0)
    return family
