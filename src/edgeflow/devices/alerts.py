"""What became of devices, as rows of the tables: events, and alerts that begin and end."""

from edgeflow.devices.records import Change
from edgeflow.store.tables import Row

__all__ = ["alert_rows", "event_row"]

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
