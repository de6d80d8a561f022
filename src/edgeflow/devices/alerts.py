"""What becomes of devices: changes that somebody should hear of, and their rows of events."""

from edgeflow.devices.configuration import Answer, judge
from edgeflow.devices.records import Change, DeviceRecord
from edgeflow.store.tables import Row

__all__ = ["answering", "event_row", "failing", "falling_silent", "going_away", "hearing"]

MAX_SENSORS = 64
"""Kinds of sensors that are watched of one device."""


def event_row(change: Change, source: str) -> Row:
    """What became of a device, as a row of ``events``."""
    return {
        "device_id": change.device_id,
        "timestamp": change.time,
        "kind": f"device_{change.what}",
        "source": source,
        "details": {"why": change.why},
    }


def hearing(record: DeviceRecord, sensor: str, now: float) -> list[Change]:
    """Note that a sensor spoke; it may have been silent."""
    if sensor not in record.sensors and not (sensor and len(record.sensors) < MAX_SENSORS):
        return []
    record.sensors[sensor] = now
    if sensor not in record.silent:
        return []
    record.silent.remove(sensor)
    return [Change(record.device_id, "heard", f"{sensor}: it spoke again", now)]


def going_away(record: DeviceRecord, now: float) -> Change | None:
    """Note a device that has been silent for too long."""
    if not record.online or now - record.last_seen <= record.silence:
        return None
    record.online = False
    why = f"nothing for {now - record.last_seen:.0f} s"
    return Change(record.device_id, "offline", why, now)


def answering(record: DeviceRecord, answer: Answer, now: float) -> Change | None:
    """Note what a device says of its configuration; None if that says nothing new."""
    before = record.configuration
    record.configuration = after = judge(before, answer, now)
    if not after.version or (after.state, after.reason) == (before.state, before.reason):
        return None
    what = "configured" if after.state == "applied" else after.state
    return Change(record.device_id, what, after.reason or f"version {after.version}", now)


def failing(record: DeviceRecord, failure: str, now: float) -> Change:
    """Note what is wrong with a device; nothing is when ``failure`` is empty."""
    record.failure = failure
    what = "failed" if failure else "recovered"
    return Change(record.device_id, what, failure or "it works again", now)


def falling_silent(record: DeviceRecord, now: float) -> list[Change]:
    """Note sensors that stopped while the others of their device go on."""
    fresh = [
        (sensor, now - heard)
        for sensor, heard in record.sensors.items()
        if sensor not in record.silent and now - heard > record.silence_of(sensor)
    ]
    record.silent.update(sensor for sensor, _ in fresh)
    return [
        Change(record.device_id, "silent", f"{sensor}: nothing for {age:.0f} s", now)
        for sensor, age in fresh
    ]
