"""What became of devices, as rows of the tables: events, and alerts that begin and end."""

from edgeflow.devices.records import Change, DeviceRecord
from edgeflow.store.tables import Row

__all__ = ["alert_rows", "event_row", "failing", "falling_silent"]

ENDS = {"online": "offline", "heard": "silent", "recovered": "failed", "configured": "refused"}


def event_row(change: Change, source: str) -> Row:
    """What became of a device, as a row of ``events``."""
    return {
        "device_id": change.device_id,
        "timestamp": change.time,
        "kind": f"device_{change.what}",
        "source": source,
        "details": {"why": change.why},
    }


def alert_rows(change: Change, raised: set[tuple[str, str]]) -> list[Row]:
    """The row of ``device_alerts`` that a change makes, if it raises or ends an alert.

    Args:
        change: what became of a device.
        raised: alerts that have not ended, by device and subject; kept up to date.
    """
    kind = change.what if change.is_alert else ENDS.get(change.what, "")
    sensor = change.why.partition(":")[0] if kind == "silent" else ""
    subject = (change.device_id, f"{kind} {sensor}")
    if not kind or (not change.is_alert and subject not in raised):
        return []
    if change.is_alert:
        raised.add(subject)
    else:
        raised.remove(subject)
    row = {
        "device_id": change.device_id,
        "timestamp": change.time,
        "kind": kind,
        "state": "raised" if change.is_alert else "ended",
        "reason": change.why,
    }
    return [row]


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
