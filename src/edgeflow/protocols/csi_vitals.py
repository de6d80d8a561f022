"""What a node concludes: vitals, feature vector, vitals fused with a radar's, feature state."""

import struct
from binascii import crc32
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Self

from edgeflow.errors import ProtocolError
from edgeflow.protocols.csi_wire import Magic, check_finite, fixed, pack, unpack

__all__ = [
    "FeatureState",
    "FeatureVector",
    "FusedVitals",
    "Profile",
    "Quality",
    "Radar",
    "Vitals",
    "VitalsFlags",
]

_COMMON = "<IBBHIbBBBffI"
_VITALS = struct.Struct(_COMMON + "I")
_FUSED = struct.Struct(_COMMON + "fffBBHI")
_FEATURES = struct.Struct("<IBBHq8f")
_STATE = struct.Struct("<IBBHQ9fHHI")


class VitalsFlags(IntFlag):
    """Byte 5 of vitals."""

    PRESENCE = 1
    FALL = 2
    MOTION = 4
    RADAR_PRESENCE = 8


class Radar(IntEnum):
    """The mmWave sensor of fused vitals."""

    NONE = 0
    MR60BHA2 = 1
    LD2410 = 2
    MOCK = 99


class Profile(IntEnum):
    """How a node captures, as its feature state says."""

    PASSIVE = 0
    ACTIVE_PROBE = 1
    RESPIRATION = 2
    FAST_MOTION = 3
    CALIBRATION = 4


class Quality(IntFlag):
    """What of a feature state holds."""

    PRESENCE = 1
    RESPIRATION = 2
    HEART = 4
    ANOMALY = 8
    ENVIRONMENT_SHIFT = 16
    DEGRADED = 32
    CALIBRATING = 64
    RECALIBRATE = 128


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a node concludes by itself, 0xC5110002.

    Attributes:
        breathing_bpm, heart_bpm: 0 means no reading; carried in steps of 0.01 and 0.0001.
        presence_score: 1 or more is somebody; not bounded by 1. The reference's firmware sends the
            motion energy again.
        uptime_ms: since boot, u32.
    """

    node: int
    flags: VitalsFlags
    breathing_bpm: float
    heart_bpm: float
    rssi: int
    persons: int
    motion_energy: float
    presence_score: float
    uptime_ms: int

    def encode(self) -> bytes:
        """Return the 32 bytes.

        Raises:
            PayloadError: a value does not fit its field.
        """
        return pack("a vitals packet", _VITALS, *_common(Magic.VITALS, self, 0, 0), 0)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        what = "a vitals packet"
        node, flags, breathing, heart, rssi, persons, _, _, motion, score, ms, _ = unpack(
            what, _VITALS, Magic.VITALS, data
        )
        check_finite(what, 16, motion, score)
        return cls(
            int(node),
            VitalsFlags(int(flags)),
            breathing / 100,
            heart / 10000,
            int(rssi),
            int(persons),
            motion,
            score,
            int(ms),
        )


@dataclass(frozen=True, slots=True)
class FusedVitals:
    """Vitals of a node with a radar, 0xC5110004.

    Attributes:
        radar: the sensor's type; ``Radar`` has the known ones.
        confidence: of the fusion, percent; ``radar_confidence`` likewise.
        radar_heart_bpm, radar_breathing_bpm, distance_cm: what the radar says alone.
    """

    node: int
    flags: VitalsFlags
    breathing_bpm: float
    heart_bpm: float
    rssi: int
    persons: int
    motion_energy: float
    presence_score: float
    uptime_ms: int
    radar: int
    confidence: int
    radar_heart_bpm: float
    radar_breathing_bpm: float
    distance_cm: float
    targets: int
    radar_confidence: int

    def encode(self) -> bytes:
        """Return the 48 bytes.

        Raises:
            PayloadError: a value does not fit its field.
        """
        head = _common(Magic.FUSED_OR_EVENTS, self, self.radar, self.confidence)
        alone = (self.radar_heart_bpm, self.radar_breathing_bpm, self.distance_cm)
        tail = (*alone, self.targets, self.radar_confidence, 0, 0)
        return pack("a fused vitals packet", _FUSED, *head, *tail)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram that is known to be no WASM events (``csi.classify`` says).

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        what = "a fused vitals packet"
        values: tuple[Any, ...] = unpack(what, _FUSED, Magic.FUSED_OR_EVENTS, data)
        node, flags, breathing, heart, rssi, persons, radar, confidence, motion, score, ms = values[
            :11
        ]
        radar_heart, radar_breathing, distance, targets, radar_confidence = values[11:16]
        check_finite(what, 16, motion, score)
        check_finite(what, 28, radar_heart, radar_breathing, distance)
        return cls(
            node,
            VitalsFlags(flags),
            breathing / 100,
            heart / 10000,
            rssi,
            persons,
            motion,
            score,
            ms,
            radar,
            confidence,
            radar_heart,
            radar_breathing,
            distance,
            targets,
            radar_confidence,
        )


def _common(magic: int, vitals: Vitals | FusedVitals, *bytes_14: int) -> tuple[float, ...]:
    """The values of bytes 0 to 27."""
    breathing = fixed("breathing_bpm", vitals.breathing_bpm, 100)
    heart = fixed("heart_bpm", vitals.heart_bpm, 10000)
    head = (magic, vitals.node, vitals.flags, breathing, heart, vitals.rssi, vitals.persons)
    return (*head, *bytes_14, vitals.motion_energy, vitals.presence_score, vitals.uptime_ms)


@dataclass(frozen=True, slots=True)
class FeatureVector:
    """Eight numbers for a collector, 0xC5110003.

    Attributes:
        sequence: u16, wraps.
        time_us: since boot, i64.
        values: eight f32, by convention 0 to 1: presence, motion, breathing / 30, heart / 120,
            variance, persons / 4, fall, (RSSI + 100) / 100.
    """

    node: int
    sequence: int
    time_us: int
    values: tuple[float, ...]

    def encode(self) -> bytes:
        """Return the 48 bytes.

        Raises:
            PayloadError: a value does not fit its field, or there are not eight.
        """
        head = (Magic.FEATURES, self.node, 0, self.sequence, self.time_us)
        return pack("a feature vector", _FEATURES, *head, *self.values)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none, told with the offset.
        """
        what = "a feature vector"
        node, _, sequence, time, *values = unpack(what, _FEATURES, Magic.FEATURES, data)
        check_finite(what, 16, *values)
        return cls(int(node), int(sequence), int(time), tuple(values))


@dataclass(frozen=True, slots=True)
class FeatureState:
    """The controller's view, 0xC5110006, sealed with a CRC-32.

    Attributes:
        mode: the capture profile; ``Profile`` has the known ones.
        sequence: u16, wraps.
        time_us: since boot, u64.
        presence: not bounded by 1 as the reference's firmware sends it, its confidences likewise.
        quality: which of the values hold.
    """

    node: int
    mode: int
    sequence: int
    time_us: int
    motion: float
    presence: float
    respiration_bpm: float
    respiration_confidence: float
    heart_bpm: float
    heart_confidence: float
    anomaly: float
    environment_shift: float
    coherence: float
    quality: Quality

    def encode(self) -> bytes:
        """Return the 60 bytes.

        Raises:
            PayloadError: a value does not fit its field.
        """
        head = (Magic.STATE, self.node, self.mode, self.sequence, self.time_us)
        rates = (self.respiration_bpm, self.respiration_confidence)
        heart = (self.heart_bpm, self.heart_confidence)
        room = (self.anomaly, self.environment_shift, self.coherence)
        values = (self.motion, self.presence, *rates, *heart, *room)
        packet = pack("a feature state", _STATE, *head, *values, self.quality, 0, 0)
        return packet[:56] + crc32(packet[:56]).to_bytes(4, "little")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none or damaged, told with the offset.
        """
        what = "a feature state"
        fields: tuple[Any, ...] = unpack(what, _STATE, Magic.STATE, data)
        node, mode, sequence, time, *values, quality, _, check = fields
        if check != (found := crc32(data[:56])):
            raise ProtocolError(
                f"{what} has the CRC-32 {found:#010x}, not {check:#010x} at offset 56"
            )
        check_finite(what, 16, *values)
        rest: list[Any] = [*values, Quality(quality)]
        return cls(node, mode, sequence, time, *rest)
