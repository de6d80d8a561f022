"""Every device that was ever heard of: who it is, what it shall do, and whether it is there."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.store.tables import Row

__all__ = ["MAX_DEVICES", "Change", "DeviceRecord", "DeviceRegistry"]

_log = structlog.get_logger(__name__)

MAX_DEVICES = 100_000
MAX_TAGS = 32
SILENCE = 300.0
"""Seconds without a word after which a device counts as offline, unless its settings say other."""
WRITE_EVERY = 30.0
_TAGS, _GROUPS, _SILENCE, _DESIRED = "tags", "groups", "silence_seconds", "desired"


@dataclass(slots=True)
class DeviceRecord:
    """One device.

    Attributes:
        device_id: how it calls itself. name, location: how people call it.
        kind: ``mqtt``, ``board``, ``csi``, ``camera``.
        online: as far as is known: it spoke within its limit, and did not say goodbye.
        sensors: when each kind was last heard. config: what people set; its own keys are ``tags``,
            ``groups``, ``silence_seconds`` and ``desired`` (what the device shall be told).
        acknowledged: the configuration that the device said it has taken.
    """

    device_id: str
    name: str
    location: str = "Unknown"
    kind: str = "mqtt"
    registered_at: float = 0.0
    last_seen: float = 0.0
    online: bool = True
    config: dict[str, Any] = field(default_factory=dict)
    sensors: dict[str, float] = field(default_factory=dict)
    acknowledged: dict[str, Any] = field(default_factory=dict)
    written: float = 0.0

    @property
    def silence(self) -> float:
        """Seconds that it may be silent."""
        return float(self.config.get(_SILENCE, SILENCE))

    @property
    def groups(self) -> list[str]:
        """Groups that it belongs to."""
        return list(self.config.get(_GROUPS, []))

    @property
    def row(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "device_id": self.device_id,
            "name": self.name,
            "location": self.location,
            "kind": self.kind,
            "registered_at": self.registered_at,
            "last_seen": self.last_seen,
            "is_active": self.online,
            "config": self.config,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A device was ``registered``, came ``online``, went ``offline``, or a sensor is ``silent``."""

    device_id: str
    what: str
    why: str
    time: float


class DeviceRegistry:
    """Devices by id. Thread-safe; times are given, so that nothing here waits.

    Args:
        write: takes rows of ``device_registry``; what people set is written at once, and that a
            device was seen at most twice a minute.
        known: rows from before.
    """

    def __init__(
        self, write: Callable[[Sequence[Row]], None], known: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._devices = {record.device_id: record for record in map(_record, known)}

    def __len__(self) -> int:
        with self._lock:
            return len(self._devices)

    def seen(
        self, device_id: str, now: float, *, sensor: str = "", kind: str = "mqtt"
    ) -> list[Change]:
        """A device spoke; one that is not known is registered."""
        with self._lock:
            record = self._devices.get(device_id)
            if record is None:
                if len(self._devices) >= MAX_DEVICES:
                    _log.warning("registry_full", device=device_id, limit=MAX_DEVICES)
                    return []
                record = DeviceRecord(
                    device_id, device_id, kind=kind, registered_at=now, last_seen=now
                )
                self._devices[device_id] = record
                changes = [Change(device_id, "registered", "its first message", now)]
            else:
                changes = []
                if not record.online:
                    changes = [Change(device_id, "online", "it spoke again", now)]
            record.last_seen, record.online = max(now, record.last_seen), True
            if sensor:
                record.sensors[sensor] = now
            if changes or now - record.written >= WRITE_EVERY:
                self._store(record, now)
            return changes

    def said(self, device_id: str, status: str, now: float) -> list[Change]:
        """A device, or its last will, says ``online`` or ``offline``."""
        if status != "offline":
            return self.seen(device_id, now)
        with self._lock:
            record = self._devices.get(device_id)
            if record is None or not record.online:
                return []
            record.online = False
            self._store(record, now)
        return [Change(device_id, "offline", "it said goodbye, or its connection broke", now)]

    def check(self, now: float) -> list[Change]:
        """Devices and sensors that have been silent for too long since the last look."""
        changes = []
        with self._lock:
            for record in self._devices.values():
                if record.online and now - record.last_seen > record.silence:
                    record.online = False
                    why = f"nothing for {now - record.last_seen:.0f} s"
                    changes.append(Change(record.device_id, "offline", why, now))
                    self._store(record, now)
                for sensor in self._silent(record, now):
                    why = f"{sensor}: nothing for {now - record.sensors.pop(sensor):.0f} s"
                    changes.append(Change(record.device_id, "silent", why, now))
        return changes

    def set(
        self,
        device_id: str,
        now: float,
        *,
        name: str | None = None,
        location: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> DeviceRecord:
        """Change what people set; what is None stays, and a key of ``config`` that is None goes.

        Raises:
            ConfigError: no such device, or a setting makes no sense.
        """
        with self._lock:
            record = self._find(device_id)
            merged = {**record.config, **(config or {})}
            merged = {key: value for key, value in merged.items() if value is not None}
            _check(device_id, merged)
            record.name = record.name if name is None else name[:80]
            record.location = record.location if location is None else location[:80]
            record.config = merged
            self._store(record, now)
            return _copy(record)

    def acknowledge(self, device_id: str, config: Mapping[str, Any], now: float) -> None:
        """A device says which configuration it has taken."""
        self.seen(device_id, now)
        with self._lock:
            record = self._devices.get(device_id)
            if record is not None:
                record.acknowledged = dict(config)

    def get(self, device_id: str) -> DeviceRecord:
        """One device, as it is now.

        Raises:
            ConfigError: no such device.
        """
        with self._lock:
            return _copy(self._find(device_id))

    def devices(self, *, group: str | None = None) -> list[DeviceRecord]:
        """All of them, by id, or those of a group."""
        with self._lock:
            chosen = [
                _copy(record)
                for record in self._devices.values()
                if group is None or group in record.groups
            ]
        return sorted(chosen, key=lambda record: record.device_id)

    def flush(self, now: float) -> None:
        """Write down who was seen since it was last written."""
        with self._lock:
            late = [each for each in self._devices.values() if each.last_seen > each.written]
            if late:
                self._write([record.row for record in late])
            for record in late:
                record.written = now

    def _silent(self, record: DeviceRecord, now: float) -> list[str]:
        """Sensors that stopped while the others of their device go on."""
        if not record.online:
            return []
        return [sensor for sensor, heard in record.sensors.items() if now - heard > record.silence]

    def _find(self, device_id: str) -> DeviceRecord:
        record = self._devices.get(device_id)
        if record is None:
            hint = did_you_mean(device_id, list(self._devices))
            raise ConfigError(f"no device {device_id[:80]!r}", hint=hint)
        return record

    def _store(self, record: DeviceRecord, now: float) -> None:
        record.written = now
        self._write([record.row])


def _record(row: Mapping[str, Any]) -> DeviceRecord:
    return DeviceRecord(
        device_id=row["device_id"],
        name=row["name"],
        location=row["location"],
        kind=row["kind"] or "mqtt",
        registered_at=row["registered_at"],
        last_seen=row["last_seen"],
        online=bool(row["is_active"]),
        config=dict(row["config"]),
        written=row["last_seen"],
    )


def _copy(record: DeviceRecord) -> DeviceRecord:
    return replace(
        record,
        config=dict(record.config),
        sensors=dict(record.sensors),
        acknowledged=dict(record.acknowledged),
    )


def _check(device_id: str, config: Mapping[str, Any]) -> None:
    silence = config.get(_SILENCE, SILENCE)
    if not isinstance(silence, int | float) or not 1 <= silence <= 30 * 86_400:
        raise ConfigError(f"{device_id}: {_SILENCE} is {silence!r}", hint="1 to 2592000 seconds")
    for key in (_TAGS, _GROUPS):
        words = config.get(key, [])
        if (
            not isinstance(words, list)
            or len(words) > MAX_TAGS
            or not all(isinstance(word, str) and 0 < len(word) <= 64 for word in words)
        ):
            raise ConfigError(
                f"{device_id}: {key} is {words!r:.80}", hint=f"{MAX_TAGS} words at most"
            )
    if not isinstance(config.get(_DESIRED, {}), dict):
        raise ConfigError(f"{device_id}: {_DESIRED} is no mapping")
