"""Devices that people took out of the registry.

A removal is a row of ``device_settings``, so that every program takes it over like any setting;
what was known before it counts no more, and a device that speaks after it is a new one.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from edgeflow.store.catalogue import TABLES
from edgeflow.store.tables import TableStore

__all__ = ["Removals", "erase", "removal_row"]

REMOVED = "removed"
"""Key of the ``config`` of a row that says so."""
LEAST = 0.002
"""Rows are told apart by their time, which is kept to the millisecond."""
MAX_REMOVALS = 100_000


def removal_row(device_id: str, now: float) -> dict[str, Any]:
    """That a device was removed, as it is stored."""
    return {
        "device_id": device_id,
        "timestamp": now,
        "name": "",
        "location": "",
        "config": {REMOVED: True},
    }


class Removals:
    """When devices were last removed. Any thread may clear; the rest is not thread-safe.

    Args:
        settings: rows of ``device_settings``.
    """

    def __init__(self, settings: Iterable[Mapping[str, Any]] = ()) -> None:
        self._times: dict[str, float] = {}
        self._uncleared: deque[str] = deque(maxlen=MAX_REMOVALS)
        for row in settings:
            self.take(row)

    def __contains__(self, device_id: str) -> bool:
        return device_id in self._times

    def __iter__(self) -> Iterator[str]:
        return iter(self._times)

    def take(self, row: Mapping[str, Any]) -> bool:
        """Note the removal that a row of ``device_settings`` tells; False if it tells none."""
        if row["config"].get(REMOVED) is not True:
            return False
        self.note(row["device_id"], row["timestamp"])
        return True

    def note(self, device_id: str, now: float) -> None:
        """A device was removed; the oldest removal gives way when there are too many."""
        time = max(now, self._times.pop(device_id, now))
        if len(self._times) >= MAX_REMOVALS:
            del self._times[next(iter(self._times))]
        self._times[device_id] = time

    def clear(self, device_id: str) -> None:
        """A broker may keep something of a removed device, which is to be cleared."""
        self._uncleared.append(device_id)

    def take_uncleared(self) -> list[str]:
        """Devices of whom a broker may keep something; each is given once."""
        return [self._uncleared.popleft() for _ in range(len(self._uncleared))]

    def hides(self, device_id: str, time: float) -> bool:
        """Whether what is of that time came before the removal of the device."""
        return time <= self._times.get(device_id, float("-inf"))

    def begin(self, device_id: str, now: float) -> float:
        """When a device that speaks now is registered: after its removal, whatever clocks say."""
        return max(now, self._times.get(device_id, float("-inf")) + LEAST)


def erase(store: TableStore, device_id: str, removed: float, *, data: bool) -> int:
    """Delete the row of a removed device, and with ``data`` all that is stored of it.

    Returns:
        How many rows of data went, settings aside. What waits in a spool comes after, and stays.

    Raises:
        StoreError: the store is away; the device is removed all the same.
    """
    store.forget_device("device_registry", device_id)
    if not data:
        return 0
    others = (name for name in TABLES if name not in ("device_registry", "device_settings"))
    count = sum(store.forget_device(name, device_id) for name in others)
    store.forget_device("device_settings", device_id)
    store.insert("device_settings", [removal_row(device_id, removed)])
    return count
