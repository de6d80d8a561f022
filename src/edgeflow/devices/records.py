"""A device as the registry knows it, and what people may set of it. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edgeflow.devices.configuration import Configuration, check_settings
from edgeflow.errors import ConfigError

__all__ = [
    "SILENCE",
    "Change",
    "DeviceRecord",
    "Kind",
    "check_config",
    "configuration_row",
    "copy_of",
    "desired_of",
    "fits",
    "has_left",
    "recalled",
    "record_of",
    "settings_row",
]

Kind = Literal["mqtt", "board", "csi", "camera", "service"]
SILENCE = 300.0
"""Seconds without a word after which a device counts as offline, unless its settings say other."""
LONGEST_SILENCE = 30 * 86_400
BRIEFLY, LEFT_AFTER = 900.0, 3600.0
"""Who spoke for no longer than that, and then said nothing for so long, was only tried."""
MAX_TAGS = 32
TAGS, GROUPS, SILENCE_KEY, SENSORS, DESIRED, VERSION = (
    "tags",
    "groups",
    "silence_seconds",
    "sensor_silence",
    "desired",
    "desired_version",
)


@dataclass(slots=True)
class DeviceRecord:
    """One device.

    Attributes:
        device_id: how it calls itself. name, location: how people call it.
        kind: ``mqtt``, ``board``, ``csi``, ``camera``, ``service``.
        owner: the program that hears it, and says when it is away; empty if none does.
        online: as far as is known: it spoke within its limit, and did not say goodbye.
        failure: what is wrong with it, though it speaks; empty if nothing is.
        sensors: when each kind was last heard; ``silent``: those that stopped.
        config: what people set; its own keys are ``tags``, ``groups``, ``silence_seconds``,
            ``sensor_silence`` (seconds by kind of sensor), ``desired`` and ``desired_version``
            (what the device shall be told).
        edited: when people last set something, 0 for never.
        configuration: how what it was told stands.
    """

    device_id: str
    name: str
    location: str = "Unknown"
    kind: str = "mqtt"
    owner: str = ""
    registered_at: float = 0.0
    last_seen: float = 0.0
    online: bool = True
    failure: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    sensors: dict[str, float] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    edited: float = 0.0
    configuration: Configuration = field(default_factory=lambda: Configuration(device_id=""))
    written: float = 0.0

    @property
    def silence(self) -> float:
        """Seconds that it may be silent."""
        return float(self.config.get(SILENCE_KEY, SILENCE))

    def silence_of(self, sensor: str) -> float:
        """Seconds that one of its sensors may be silent."""
        return float(self.config.get(SENSORS, {}).get(sensor, self.silence))

    @property
    def groups(self) -> list[str]:
        """Groups that it belongs to."""
        return list(self.config.get(GROUPS, []))

    @property
    def tags(self) -> list[str]:
        """Words that people put on it."""
        return list(self.config.get(TAGS, []))

    @property
    def acknowledged(self) -> dict[str, Any]:
        """The settings that the device said it has."""
        return dict(self.configuration.reported)

    @property
    def row(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "device_id": self.device_id,
            "name": self.name,
            "location": self.location,
            "kind": self.kind,
            "owner": self.owner,
            "registered_at": self.registered_at,
            "last_seen": self.last_seen,
            "is_active": self.online,
            "config": self.config,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a device.

    Attributes:
        what: ``registered``, ``online``, ``offline``, ``silent`` or ``heard`` (a sensor of it),
            ``failed`` or ``recovered``, ``configured`` or ``refused``.
    """

    device_id: str
    what: str
    why: str
    time: float

    @property
    def is_alert(self) -> bool:
        """Whether somebody should look."""
        return self.what in ("offline", "silent", "failed", "refused")


def record_of(row: Mapping[str, Any]) -> DeviceRecord:
    """A device from its stored row."""
    record = DeviceRecord(
        device_id=row["device_id"],
        name=row["name"],
        location=row["location"],
        kind=row["kind"] or "mqtt",
        owner=row.get("owner") or "",
        registered_at=row["registered_at"],
        last_seen=row["last_seen"],
        online=bool(row["is_active"]),
        config=dict(row["config"]),
        written=row["last_seen"],
    )
    record.configuration = desired_of(record, 0.0)
    return record


def settings_row(record: DeviceRecord, now: float) -> dict[str, Any]:
    """What people set, as it is stored."""
    return {
        "device_id": record.device_id,
        "timestamp": now,
        "name": record.name,
        "location": record.location,
        "config": record.config,
    }


def desired_of(record: DeviceRecord, asked: float) -> Configuration:
    """How a configuration stands that nobody has answered yet."""
    version = record.config.get(VERSION, 0)
    if version == record.configuration.version and version:
        return record.configuration
    return Configuration(
        device_id=record.device_id,
        version=version,
        state="pending" if version else "none",
        desired=dict(record.config.get(DESIRED, {})),
        reported=record.configuration.reported,
        asked=asked,
    )


def configuration_row(configuration: Configuration, now: float) -> dict[str, Any]:
    """How a configuration stands, as it is stored."""
    return {
        "device_id": configuration.device_id,
        "timestamp": now,
        "version": configuration.version,
        "state": configuration.state,
        "reason": configuration.reason,
        "desired": configuration.desired,
        "reported": configuration.reported,
        "asked": configuration.asked,
    }


def recalled(configuration: Configuration, row: Mapping[str, Any]) -> Configuration:
    """How a configuration stood, from its stored row; as it is if that is about another version."""
    if row["version"] != configuration.version:
        return configuration
    return Configuration(
        device_id=row["device_id"],
        version=row["version"],
        state=row["state"],
        desired=configuration.desired,
        reported=row["reported"],
        reason=row["reason"],
        asked=row["asked"],
        answered=row["timestamp"] if row["state"] != "pending" else 0.0,
    )


def fits(record: DeviceRecord, group: str | None, tag: str | None, kind: str | None) -> bool:
    """Whether a device is in a group, has a tag and is of a kind; None fits all."""
    return (
        (group is None or group in record.groups)
        and (tag is None or tag in record.tags)
        and (kind is None or kind == record.kind)
    )


def has_left(record: DeviceRecord, now: float) -> bool:
    """Whether a device was only tried: nobody misses it.

    It spoke for a quarter of an hour at most, has said nothing for an hour and four times its
    limit, and nobody ever set anything of it.
    """
    briefly = record.last_seen - record.registered_at <= BRIEFLY
    long = now - record.last_seen > max(LEFT_AFTER, 4 * record.silence)
    untouched = not record.config and record.name == record.device_id
    return briefly and long and untouched and record.location == "Unknown" and not record.online


def copy_of(record: DeviceRecord) -> DeviceRecord:
    """A device as it is now, which nobody changes."""
    return replace(
        record,
        config={key: _copied(value) for key, value in record.config.items()},
        sensors=dict(record.sensors),
        silent=set(record.silent),
    )


def check_config(device_id: str, config: Mapping[str, Any]) -> None:
    """Look whether what people set makes sense.

    Raises:
        ConfigError: it does not; names the device and the key.
    """
    _check_silence(device_id, SILENCE_KEY, config.get(SILENCE_KEY, SILENCE))
    sensors = config.get(SENSORS, {})
    if not isinstance(sensors, dict) or len(sensors) > MAX_TAGS:
        raise ConfigError(f"{device_id}: {SENSORS} is {sensors!r:.80}", hint="seconds by sensor")
    for sensor, seconds in sensors.items():
        _check_silence(device_id, f"{SENSORS} of {sensor}", seconds)
    for key in (TAGS, GROUPS):
        words = config.get(key, [])
        if (
            not isinstance(words, list)
            or len(words) > MAX_TAGS
            or not all(isinstance(word, str) and 0 < len(word) <= 64 for word in words)
        ):
            raise ConfigError(
                f"{device_id}: {key} is {words!r:.80}", hint=f"{MAX_TAGS} words at most"
            )
    desired, version = config.get(DESIRED, {}), config.get(VERSION, 0)
    if not isinstance(desired, dict) or not isinstance(version, int) or version < 0:
        raise ConfigError(f"{device_id}: {DESIRED} is no mapping with a version")
    check_settings(device_id, desired)


def _check_silence(device_id: str, name: str, seconds: object) -> None:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 1 <= float(str(seconds)) <= LONGEST_SILENCE:
        raise ConfigError(
            f"{device_id}: {name} is {seconds!r:.40}", hint=f"1 to {LONGEST_SILENCE} seconds"
        )


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list) else value
