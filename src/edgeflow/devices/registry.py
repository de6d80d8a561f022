"""Every device that was ever heard of: who it is, what it shall do, and whether it is there."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from edgeflow.devices.alerts import answering, failing, falling_silent, going_away, hearing
from edgeflow.devices.configuration import Answer, Configuration, check_settings
from edgeflow.devices.records import (
    DESIRED,
    VERSION,
    Change,
    DeviceRecord,
    check_config,
    configuration_row,
    copy_of,
    desired_of,
    fits,
    recalled,
    record_of,
    settings_row,
)
from edgeflow.devices.removals import Removals, removal_row
from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.store.tables import Row

__all__ = [
    "MAX_DEVICES",
    "TABLES_OF_DEVICES",
    "Change",
    "DeviceRecord",
    "DeviceRegistry",
    "Write",
]

_log = structlog.get_logger(__name__)

MAX_DEVICES = 100_000
WRITE_EVERY = 30.0
REGISTRY, SETTINGS, CONFIGURATIONS = "device_registry", "device_settings", "device_configurations"
TABLES_OF_DEVICES = (REGISTRY, SETTINGS, CONFIGURATIONS)
Write = Callable[[str, Sequence[Row]], None]


class DeviceRegistry:
    """Devices by id. Thread-safe; times are given, so that nothing here waits.

    What people set lives in rows of its own (``device_settings``), which no message of a device
    ever changes, so that several programs can share the tables.

    Args:
        write: takes a table's name and rows; what people set is written at once, and that a
            device was seen at most twice a minute.
        known: rows of ``device_registry`` from before. settings: of ``device_settings``.
        configurations: of ``device_configurations``.
        owner: the program that hears devices through this registry; of those that another one
            hears it never says that they are away.

    Attributes:
        removals: devices that were taken out, and of whom a broker may keep something.
    """

    def __init__(
        self,
        write: Write,
        known: Iterable[Mapping[str, Any]] = (),
        settings: Iterable[Mapping[str, Any]] = (),
        configurations: Iterable[Mapping[str, Any]] = (),
        *,
        owner: str = "",
    ) -> None:
        self._write, self._owner = write, owner
        self._lock = threading.Lock()
        settings = list(settings)
        self.removals = Removals(settings)
        records = [record_of(row) for row in known if not self._is_removed(row)]
        self._devices = {record.device_id: record for record in records}
        self._unsent: dict[str, None] = {}
        for name in self.removals:
            if name not in self._devices:
                self.removals.clear(name)
        self._early: dict[str, Mapping[str, Any]] = {}
        self.adopt(settings)
        for row in configurations:
            record = self._devices.get(row["device_id"])
            if record is not None and not self.removals.hides(record.device_id, row["timestamp"]):
                record.configuration = recalled(record.configuration, row)
        pending = [each for each in self._devices.values() if each.configuration.state == "pending"]
        self._unsent = dict.fromkeys(each.device_id for each in pending)

    def __len__(self) -> int:
        with self._lock:
            return len(self._devices)

    # What devices do

    def seen(
        self,
        device_id: str,
        now: float,
        *,
        sensor: str = "",
        kind: str = "mqtt",
        failure: str | None = None,
    ) -> list[Change]:
        """A device spoke; one that is not known is registered. None says nothing of failures."""
        with self._lock:
            record = self._devices.get(device_id)
            changes: list[Change] = []
            if record is None:
                if len(self._devices) >= MAX_DEVICES:
                    _log.warning("registry_full", device=device_id, limit=MAX_DEVICES)
                    return []
                begun = self.removals.begin(device_id, now)
                record = DeviceRecord(
                    device_id, device_id, kind=kind, registered_at=begun, last_seen=now
                )
                self._devices[device_id] = record
                self._adopt(self._early.pop(device_id, None))
                changes = [Change(device_id, "registered", "its first message", now)]
            elif not record.online:
                changes = [Change(device_id, "online", "it spoke again", now)]
            record.last_seen, record.online = max(now, record.last_seen), True
            record.owner = self._owner
            changes += hearing(record, sensor, now)
            if failure is not None and failure != record.failure:
                changes.append(failing(record, failure, now))
            if changes or now - record.written >= WRITE_EVERY:
                self._store(record, now)
            return changes

    def said(
        self,
        device_id: str,
        status: str,
        now: float,
        *,
        kept: bool = False,
        kind: str = "mqtt",
        why: str = "",
    ) -> list[Change]:
        """A device, or its last will, says ``online`` or ``offline``.

        What the broker ``kept`` of one that is known, or was removed, says nothing about now,
        unless it is its will.
        """
        if status != "offline":
            with self._lock:
                known = device_id in self._devices or device_id in self.removals
            return [] if kept and known else self.seen(device_id, now, kind=kind)
        with self._lock:
            record = self._devices.get(device_id)
            if record is None or not record.online:
                return []
            record.online = False
            self._store(record, now)
            why = why or "it said goodbye, or its connection broke"
            return [Change(device_id, "offline", why, now)]

    def check(self, now: float) -> list[Change]:
        """Devices and sensors that have been silent for too long since the last look."""
        changes = []
        with self._lock:
            for record in self._devices.values():
                if record.owner not in ("", self._owner):
                    continue
                away = going_away(record, now)
                if away is not None:
                    changes.append(away)
                    self._store(record, now)
                if record.online:
                    changes += falling_silent(record, now)
            return changes

    def answered(self, device_id: str, answer: Answer, now: float) -> list[Change]:
        """A device says which configuration it has taken, or what it refused."""
        changes = self.seen(device_id, now)
        with self._lock:
            record = self._devices.get(device_id)
            if record is None:
                return changes
            answer_changed = answering(record, answer, now)
            if answer_changed is not None:
                changes.append(answer_changed)
                self._note(record.configuration, now)
        return changes

    # What people do

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
            check_config(device_id, merged)
            record.name = record.name if name is None else name[:80]
            record.location = record.location if location is None else location[:80]
            # Rows are told apart by their time, which is kept to the millisecond.
            edited = max(round(now, 3), round(record.edited + 0.001, 3))
            version = record.configuration.version
            self._take_config(record, merged, edited)
            self._write(SETTINGS, [settings_row(record, edited)])
            if record.configuration.version != version:
                self._note(record.configuration, edited)
            self._store(record, now)
            return copy_of(record)

    def configure(self, device_id: str, settings: Mapping[str, Any], now: float) -> Configuration:
        """Tell a device settings, beside those it was told before; one that is None is not told.

        Returns at once, ``pending``; the device's answer changes its ``configuration``.

        Raises:
            ConfigError: no such device, or no device could take that.
        """
        with self._lock:
            record = self._find(device_id)
            wanted = {**record.config.get(DESIRED, {}), **settings}
            wanted = {name: value for name, value in wanted.items() if value is not None}
            config = {
                DESIRED: check_settings(device_id, wanted),
                VERSION: record.config.get(VERSION, 0) + 1,
            }
        return self.set(device_id, now, config=config).configuration

    def remove(self, device_id: str, now: float) -> float:
        """Take a device out; it is a new one when it speaks again. Returns when that was.

        Raises:
            ConfigError: no such device.
        """
        with self._lock:
            record = self._find(device_id)
            removed = round(max(now, record.registered_at, record.edited) + 0.001, 3)
            self.removals.note(device_id, removed)
            self._drop(record)
            self._write(SETTINGS, [removal_row(device_id, removed)])
            return removed

    def adopt(self, settings: Iterable[Mapping[str, Any]]) -> list[str]:
        """Take what people set elsewhere, from rows of ``device_settings``; say for whom."""
        with self._lock:
            return [row["device_id"] for row in settings if self._adopt(row)]

    def refresh(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take over what other programs know of the devices that they hear."""
        with self._lock:
            for row in rows:
                if (row.get("owner") or "") in ("", self._owner):
                    continue
                if self._is_removed(row):
                    continue
                known, fresh = self._devices.get(row["device_id"]), record_of(row)
                if known is None and len(self._devices) < MAX_DEVICES:
                    self._devices[fresh.device_id] = fresh
                    self._adopt(self._early.pop(fresh.device_id, None))
                elif known is not None and fresh.last_seen >= known.last_seen:
                    known.kind, known.owner, known.online = fresh.kind, fresh.owner, fresh.online
                    known.last_seen = known.written = fresh.last_seen

    # Asking

    def get(self, device_id: str) -> DeviceRecord:
        """One device, as it is now.

        Raises:
            ConfigError: no such device.
        """
        with self._lock:
            return copy_of(self._find(device_id))

    def devices(
        self,
        *,
        group: str | None = None,
        tag: str | None = None,
        kind: str | None = None,
        owned: bool = False,
    ) -> list[DeviceRecord]:
        """All of them, by id, or those of a group, with a tag, of a kind, that are heard here."""
        with self._lock:
            chosen = [
                copy_of(record)
                for record in self._devices.values()
                if fits(record, group, tag, kind)
                and (not owned or record.owner in ("", self._owner))
            ]
        return sorted(chosen, key=lambda record: record.device_id)

    def configuration(self, device_id: str) -> Configuration:
        """How what a device was told stands.

        Raises:
            ConfigError: no such device.
        """
        with self._lock:
            return self._find(device_id).configuration

    # For who carries messages

    def take_unsent(self) -> list[Configuration]:
        """Configurations that devices have not been sent yet; each is given once."""
        if not self._unsent:
            return []
        with self._lock:
            names, self._unsent = self._unsent, {}
            return [self._devices[name].configuration for name in names]

    def send_again(self, device_id: str) -> None:
        """A configuration that was taken to be sent could not be."""
        with self._lock:
            self._unsent[device_id] = None

    def flush(self, now: float) -> None:
        """Write down who was seen since it was last written."""
        with self._lock:
            late = [each for each in self._devices.values() if each.last_seen > each.written]
            if late:
                self._write(REGISTRY, [record.row for record in late])
            for record in late:
                record.written = now

    def _take_config(self, record: DeviceRecord, config: dict[str, Any], now: float) -> None:
        record.config, record.edited = config, now
        before, record.configuration = record.configuration, desired_of(record, now)
        if record.configuration.version != before.version:
            self._unsent[record.device_id] = None

    def _adopt(self, row: Mapping[str, Any] | None) -> bool:
        """Take what people set elsewhere, if it is newer; of an unknown device when it comes."""
        if row is None:
            return False
        record = self._devices.get(row["device_id"])
        if self.removals.take(row):
            return self._take_removal(row["device_id"], record)
        if self.removals.hides(row["device_id"], row["timestamp"]):
            return False
        if record is None and len(self._early) < MAX_DEVICES:
            self._early[row["device_id"]] = row
        if record is None or row["timestamp"] <= record.edited:
            return False
        try:
            check_config(record.device_id, row["config"])
        except ConfigError as error:
            _log.warning("settings_ignored", device=record.device_id, error=str(error))
            return False
        record.name, record.location = row["name"], row["location"]
        self._take_config(record, dict(row["config"]), row["timestamp"])
        return True

    def _take_removal(self, device_id: str, record: DeviceRecord | None) -> bool:
        """Drop a device that was removed elsewhere, unless it came back since."""
        self._early.pop(device_id, None)
        if record is None or not self.removals.hides(device_id, record.registered_at):
            return False
        self._drop(record)
        return True

    def _drop(self, record: DeviceRecord) -> None:
        for names in (self._devices, self._unsent, self._early):
            names.pop(record.device_id, None)
        if record.kind == "mqtt" and record.owner in ("", self._owner):
            self.removals.clear(record.device_id)
        _log.info("device_removed", device=record.device_id)

    def _is_removed(self, row: Mapping[str, Any]) -> bool:
        return self.removals.hides(row["device_id"], row["registered_at"])

    def _note(self, configuration: Configuration, now: float) -> None:
        self._write(CONFIGURATIONS, [configuration_row(configuration, now)])

    def _find(self, device_id: str) -> DeviceRecord:
        record = self._devices.get(device_id)
        if record is None:
            hint = did_you_mean(device_id, list(self._devices))
            raise ConfigError(f"no device {device_id[:80]!r}", hint=hint)
        return record

    def _store(self, record: DeviceRecord, now: float) -> None:
        record.written = now
        self._write(REGISTRY, [record.row])
