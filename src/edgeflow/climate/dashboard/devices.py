"""Devices as they are now, and one of them over time."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from edgeflow.climate.dashboard.asking import Questions
from edgeflow.climate.dashboard.charts import FEATURE_TABLES, placed, step_for
from edgeflow.climate.dashboard.decisions import newest_decisions, troubles_of_events
from edgeflow.core.climate import (
    Chart,
    ClimateDevice,
    DevicePage,
    Override,
    Reading,
    WindowState,
)
from edgeflow.devices.records import DeviceRecord, has_left
from edgeflow.store.tables import Bucket

__all__ = ["RECENT_SECONDS", "Latest", "device_page", "latest", "shown_device"]

RECENT_SECONDS = 300.0
"""How old the newest reading of a sensor may be to count as its value now."""
WINDOW_SECONDS = 86_400.0
DECISIONS, OVERRIDES, EVENTS = 50, 500, 50
SAMPLE = 5000
MAX_KINDS = 12
OPENNESS = ((25.0, "closed"), (50.0, "partially open"), (75.0, "mostly open"))

Latest = tuple[dict[str, dict[str, Reading]], dict[str, WindowState]]
"""Newest readings by device and feature, and windows by device."""


def latest(questions: Questions, now: float) -> Latest:
    """The newest of every device: readings of five minutes, windows of a day."""
    readings: dict[str, dict[str, Reading]] = {}
    for feature, (table, column) in FEATURE_TABLES.items():
        for row in _newest(questions, feature, table, now - RECENT_SECONDS):
            reading = Reading(value=row[column], time=row["timestamp"])
            readings.setdefault(row["device_id"], {})[feature] = reading
    return readings, _windows(questions, now - WINDOW_SECONDS)


def _newest(
    questions: Questions, what: str, table: str, since: float
) -> Sequence[Mapping[str, Any]]:
    return questions.ask(f"latest {what}", lambda store: store.latest(table, since=since))


def _windows(questions: Questions, since: float) -> dict[str, WindowState]:
    """The newest of what models and people said, by device."""
    decided = _newest(questions, "decision", "window_actions", since)
    said = _newest(questions, "override", "window_overrides", since)
    found = {
        row["device_id"]: WindowState(
            position=row["position"],
            time=row["timestamp"],
            by="model",
            confidence=row["confidence"],
            note=row["rule"],
        )
        for row in decided
    }
    for row in said:
        before = found.get(row["device_id"])
        if before is None or row["timestamp"] >= before.time:
            found[row["device_id"]] = WindowState(
                position=row["position"], time=row["timestamp"], by="person", note=row["person"]
            )
    return found


def shown_device(record: DeviceRecord, newest: Latest, now: float) -> ClimateDevice:
    """A device with its newest values."""
    readings, windows = newest
    return ClimateDevice(
        device_id=record.device_id,
        name=record.name,
        location=record.location,
        kind=record.kind,
        online=record.online,
        left=has_left(record, now),
        registered_at=record.registered_at,
        last_seen=record.last_seen,
        groups=record.groups,
        tags=record.tags,
        silence_seconds=record.silence,
        silent=sorted(record.silent),
        failure=record.failure,
        configuration=record.configuration.state,
        sensors=record.sensors,
        readings=readings.get(record.device_id, {}),
        window=windows.get(record.device_id),
    )


def device_page(
    questions: Questions, record: DeviceRecord, newest: Latest, now: float, seconds: float
) -> DevicePage:
    """A device over the last so many seconds."""
    since, device = now - seconds, record.device_id
    times = (since, now)
    sensors = {
        feature: _series(questions, feature, source, device, times)
        for feature, source in FEATURE_TABLES.items()
    }
    for kind in _further_kinds(record.sensors):
        source = ("sensor_readings", "value")
        sensors[kind] = _series(questions, "other sensors", source, device, times, kind=kind)
    overrides = questions.ask(
        "overrides of a device",
        lambda store: store.rows(
            "window_overrides", device=device, since=since, until=now, limit=OVERRIDES
        ),
    )
    return DevicePage(
        time=now,
        seconds=seconds,
        device=shown_device(record, newest, now),
        configuration=msgspec.structs.asdict(record.configuration),
        sensors=sensors,
        window=_series(questions, "window", ("window_actions", "position"), device, times),
        confidence=_series(
            questions, "confidence", ("ml_predictions", "confidence"), device, times
        ),
        overrides=[
            Override(time=row["timestamp"], position=row["position"], person=row["person"])
            for row in overrides
        ],
        decisions=newest_decisions(questions, since, now, DECISIONS, device=device),
        openness=_openness(questions, device, since, now),
        events=troubles_of_events(questions, since, now, EVENTS, device=device),
    )


def _series(
    questions: Questions,
    what: str,
    source: tuple[str, str],
    device: str,
    times: tuple[float, float],
    *,
    kind: str = "",
) -> Chart:
    """Mean, least and most of a column of a table."""
    since, until = times
    step = step_for(until - since)
    found: list[Bucket] = questions.ask(
        f"series {what}",
        lambda store: store.series(
            *source,
            step=step,
            device=device,
            where={"kind": kind} if kind else None,
            since=since,
            until=until,
        ),
    )
    return placed(
        since,
        until,
        step,
        {
            "mean": [(bucket.time, bucket.mean) for bucket in found],
            "least": [(bucket.time, bucket.least) for bucket in found],
            "most": [(bucket.time, bucket.most) for bucket in found],
        },
    )


def _further_kinds(sensors: Iterable[str]) -> Sequence[str]:
    own = {"temperature", "humidity", "audio"}
    return sorted(set(sensors) - own)[:MAX_KINDS]


def _openness(questions: Questions, device: str, since: float, until: float) -> dict[str, int]:
    rows: list[dict[str, Any]] = questions.ask(
        "decisions of a device",
        lambda store: store.rows(
            "window_actions", device=device, since=since, until=until, limit=SAMPLE
        ),
    )
    counts = dict.fromkeys([*(name for _, name in OPENNESS), "fully open"], 0)
    for row in rows:
        if math.isfinite(row["position"]):
            name = next((name for limit, name in OPENNESS if row["position"] < limit), "fully open")
            counts[name] += 1
    return counts
