"""Devices that were only tried."""

import pytest

from edgeflow.devices.records import DeviceRecord, has_left

NOW = 1_750_000_000.0
DAY = 86_400.0


def tried(seconds: float, silent: float, **more: object) -> DeviceRecord:
    """A device that spoke for so many seconds, and has been silent since."""
    heard = NOW - silent
    record = DeviceRecord("bench-1", "bench-1", registered_at=heard - seconds, last_seen=heard)
    record.online = False
    for name, value in more.items():
        setattr(record, name, value)
    return record


def test_who_spoke_for_a_moment_and_is_silent_for_long_has_left() -> None:
    assert has_left(tried(0.0, 3601.0), NOW)
    assert has_left(tried(900.0, 30 * DAY), NOW)


@pytest.mark.parametrize(
    "record",
    [
        tried(0.0, 3599.0),
        tried(901.0, 30 * DAY),
        tried(0.0, 2 * DAY, online=True),
        tried(0.0, 2 * DAY, name="Attic"),
        tried(0.0, 2 * DAY, location="North"),
        tried(0.0, 2 * DAY, config={"tags": ["garden"]}),
        tried(0.0, 3 * DAY, config={"silence_seconds": DAY}),
    ],
)
def test_one_that_somebody_may_miss_has_not(record: DeviceRecord) -> None:
    assert not has_left(record, NOW)
