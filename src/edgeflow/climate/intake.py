"""From a message to rows: strict, bounded, and each reading once. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edgeflow.climate.sequences import Place, Sequences
from edgeflow.errors import CommsError, ProtocolError
from edgeflow.protocols.climate import Reading, decode_reading
from edgeflow.protocols.climate_topics import Topic, parse_topic
from edgeflow.protocols.sound import decode_sound

__all__ = ["Intake", "IntakeStats", "SensorRange", "Taken"]

AHEAD, BEHIND = 60.0, 7 * 86_400.0
"""Seconds by which the clock of a device may lead, or its reading have waited in its queue."""
PAYLOAD_SHOWN = 200
MAX_KINDS = 256
"""Kinds that are counted each; who sends chooses them."""


@dataclass(frozen=True, slots=True)
class SensorRange:
    """What a kind of sensor can say, in its unit."""

    low: float
    high: float
    unit: str = ""


RANGES: Mapping[str, SensorRange] = {
    "temperature": SensorRange(-50.0, 60.0, "°C"),
    "humidity": SensorRange(0.0, 100.0, "%"),
}
_TABLES = {"temperature": "sensor_temperature", "humidity": "sensor_humidity"}


class Taken(msgspec.Struct, frozen=True):
    """What became of a message.

    Attributes:
        table, row: what is to be stored. device: who sent it, if that is known.
        kind, value: of a reading that was accepted.
        late: a newer one of its kind came before it.
    """

    table: str
    row: dict[str, Any]
    device: str = ""
    kind: str = ""
    value: float = 0.0
    late: bool = False

    @property
    def accepted(self) -> bool:
        """True for a reading, False for a dead letter."""
        return bool(self.kind)


@dataclass(slots=True)
class IntakeStats:
    """Counts since the start."""

    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    clocks_off: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)


class Intake:
    """Takes messages of ``sensor/+/+``.

    Args:
        ranges: further kinds of sensors than temperature, humidity and audio; what is not listed
            is taken if it is finite.
    """

    def __init__(self, ranges: Mapping[str, SensorRange] | None = None) -> None:
        self._ranges = {**RANGES, **(ranges or {})}
        self._sequences = Sequences()
        self.stats = IntakeStats()

    def take(self, topic: str, payload: bytes, now: float) -> Taken | None:
        """Read a message; None if it repeats one that came before."""
        device = ""
        try:
            parsed = parse_topic(topic)
            device = parsed.device
            if parsed.role != "sensor":
                raise ProtocolError(f"{topic[:200]} is no topic of a sensor")
            return self._read(parsed, payload, now)
        except CommsError as error:
            self.stats.refused += 1
            return _dead(device, topic, payload, str(error), now)

    def _read(self, topic: Topic, payload: bytes, now: float) -> Taken | None:
        if topic.kind == "audio":
            return self._read_audio(topic, payload, now)
        reading = decode_reading(payload)
        self._check_range(topic.kind, reading.value)
        place = self._place(topic, reading.boot, reading.sequence)
        if place is Place.KNOWN:
            return None
        row: dict[str, Any] = {
            "device_id": topic.device,
            "timestamp": self._time(reading, now),
            "value": reading.value,
            "boot": reading.boot,
            "sequence": reading.sequence,
        }
        table = _TABLES.get(topic.kind)
        if table is None:
            table, row["kind"] = "sensor_readings", topic.kind
        return self._accept(topic, table, row, reading.value, place)

    def _read_audio(self, topic: Topic, payload: bytes, now: float) -> Taken | None:
        sound = decode_sound(payload)
        place = self._place(topic, sound.boot, sound.sequence)
        if place is Place.KNOWN:
            return None
        row = {
            "device_id": topic.device,
            "timestamp": now,
            "sample_rate": sound.sample_rate,
            "duration": sound.duration,
            "format": sound.format,
            "audio_hash": sound.sha256,
            "sound_volume": sound.volume,
            "features": {},
            "boot": sound.boot,
            "sequence": sound.sequence,
        }
        return self._accept(topic, "sensor_audio", row, sound.volume, place)

    def _accept(
        self, topic: Topic, table: str, row: dict[str, Any], value: float, place: Place
    ) -> Taken:
        self.stats.accepted += 1
        counts = self.stats.by_kind
        kind = topic.kind if topic.kind in counts or len(counts) < MAX_KINDS else "others"
        counts[kind] = counts.get(kind, 0) + 1
        return Taken(table, row, topic.device, topic.kind, value, place is Place.LATE)

    def _place(self, topic: Topic, boot: int, sequence: int) -> Place:
        place = self._sequences.place(topic.device, topic.kind, boot, sequence)
        self.stats.repeated += place is Place.KNOWN
        return place

    def _check_range(self, kind: str, value: float) -> None:
        allowed = self._ranges.get(kind)
        if allowed is not None and not allowed.low <= value <= allowed.high:
            raise ProtocolError(
                f"{kind} is {value:g} {allowed.unit}".rstrip(),
                hint=f"from {allowed.low:g} to {allowed.high:g}",
            )

    def _time(self, reading: Reading, now: float) -> float:
        """When it was measured, if the clock of the device can be believed."""
        if not reading.time:
            return now
        if now - BEHIND <= reading.time <= now + AHEAD:
            return reading.time
        self.stats.clocks_off += 1
        return now


def _dead(device: str, topic: str, payload: bytes, reason: str, now: float) -> Taken:
    shown = payload[:PAYLOAD_SHOWN].decode("utf-8", "backslashreplace")
    return Taken(
        "dead_letters",
        {
            "device_id": device,
            "timestamp": now,
            "topic": topic[:PAYLOAD_SHOWN],
            "reason": reason[: 2 * PAYLOAD_SHOWN],
            "payload": shown,
        },
        device,
    )
