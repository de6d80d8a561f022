"""The mesh envelope, 0xC5118100: how nodes agree on time, roles and channels, and report health."""

import struct
from binascii import crc32
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Protocol, Self

from edgeflow.errors import PayloadError, ProtocolError
from edgeflow.protocols.csi_vitals import FeatureState
from edgeflow.protocols.csi_wire import Magic, check_finite, check_length, pack

__all__ = [
    "MAX_MESH_PAYLOAD",
    "Alert",
    "CalibrationStart",
    "ChannelPlan",
    "Health",
    "MeshMessage",
    "MeshPacket",
    "Role",
    "RoleAssign",
    "TimeSync",
    "UnknownMessage",
]

MAX_MESH_PAYLOAD = 256
_HEADER = struct.Struct("<IBBBBIHH")
_VERSION = 1
_FEATURE_DELTA = 5
_WHAT = "a mesh packet"


class Role(IntEnum):
    """What a node is in its mesh."""

    UNASSIGNED = 0
    ANCHOR = 1
    OBSERVER = 2
    FUSION_RELAY = 3
    COORDINATOR = 4


class _Fixed(Protocol):
    """A payload of one fixed layout."""

    TYPE: ClassVar[int]
    FORM: ClassVar[struct.Struct]

    def payload(self) -> bytes: ...

    @classmethod
    def read(cls, payload: bytes) -> Self: ...


@dataclass(frozen=True, slots=True)
class TimeSync:
    """The anchor's clock."""

    TYPE: ClassVar = 1
    FORM: ClassVar = struct.Struct("<QII")

    anchor_us: int
    cycle: int
    period_us: int

    def payload(self) -> bytes:
        """Return the 16 bytes."""
        return pack(_WHAT, self.FORM, self.anchor_us, self.cycle, self.period_us)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Read the 16 bytes."""
        return cls(*cls.FORM.unpack(payload))


@dataclass(frozen=True, slots=True)
class RoleAssign:
    """A node's role from an epoch on."""

    TYPE: ClassVar = 2
    FORM: ClassVar = struct.Struct("<QB3xI")

    target: int
    role: int
    epoch: int

    def payload(self) -> bytes:
        """Return the 16 bytes."""
        return pack(_WHAT, self.FORM, self.target, self.role, self.epoch)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Read the 16 bytes."""
        return cls(*cls.FORM.unpack(payload))


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """Up to 8 channels and how long to stay on each, ms."""

    TYPE: ClassVar = 3
    FORM: ClassVar = struct.Struct("<QB2sB8sI")

    target: int
    dwell_ms: int
    raw_csi: bool
    channels: tuple[int, ...]
    epoch: int

    def payload(self) -> bytes:
        """Return the 24 bytes."""
        if len(self.channels) > 8 or not 0 <= self.dwell_ms <= 0xFFFF:
            raise PayloadError("a channel plan has up to 8 channels and 65535 ms")
        try:
            channels = bytes(self.channels)
        except ValueError as error:
            raise PayloadError(f"a channel plan cannot hold {self.channels}") from error
        dwell = self.dwell_ms.to_bytes(2, "big")
        counted = (self.target, len(channels), dwell, self.raw_csi, channels, self.epoch)
        return pack(_WHAT, self.FORM, *counted)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Read the 24 bytes."""
        target, count, dwell, raw, channels, epoch = cls.FORM.unpack(payload)
        if count > 8:
            raise ProtocolError(f"{_WHAT} plans {count} channels at offset 24, up to 8 may be")
        plan = tuple(channels[:count])
        return cls(target, int.from_bytes(dwell, "big"), bool(raw), plan, epoch)


@dataclass(frozen=True, slots=True)
class CalibrationStart:
    """All learn the empty room from ``start_us`` on."""

    TYPE: ClassVar = 4
    FORM: ClassVar = struct.Struct("<QIIB3x")

    start_us: int
    duration_ms: int
    epoch: int
    profile: int

    def payload(self) -> bytes:
        """Return the 20 bytes."""
        return pack(_WHAT, self.FORM, self.start_us, self.duration_ms, self.epoch, self.profile)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Read the 20 bytes."""
        return cls(*cls.FORM.unpack(payload))


@dataclass(frozen=True, slots=True)
class Health:
    """How a node fares.

    Attributes:
        bandwidth_mhz: of the channel.
        sync_error_us: against the anchor.
    """

    TYPE: ClassVar = 6
    FORM: ClassVar = struct.Struct("<QQBBBbHHHH")

    node: int
    time_us: int
    role: int
    channel: int
    bandwidth_mhz: int
    noise_floor: int
    frame_rate: int
    sync_error_us: int
    flags: int

    def payload(self) -> bytes:
        """Return the 28 bytes."""
        radio = (self.role, self.channel, self.bandwidth_mhz, self.noise_floor)
        counts = (self.frame_rate, self.sync_error_us, self.flags, 0)
        return pack(_WHAT, self.FORM, self.node, self.time_us, *radio, *counts)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Read the 28 bytes."""
        return cls(*cls.FORM.unpack(payload)[:9])


@dataclass(frozen=True, slots=True)
class Alert:
    """Something is wrong.

    Attributes:
        reason: 1 physics, 2 links disagree, 3 too few frames, 4 fall, 5 coherence lost.
    """

    TYPE: ClassVar = 7
    FORM: ClassVar = struct.Struct("<QQBBHff")

    node: int
    time_us: int
    severity: int
    reason: int
    anomaly: float
    motion: float

    def payload(self) -> bytes:
        """Return the 28 bytes."""
        head = (self.node, self.time_us, self.severity, self.reason, 0)
        return pack(_WHAT, self.FORM, *head, self.anomaly, self.motion)

    @classmethod
    def read(cls, payload: bytes) -> Self:
        """Read the 28 bytes."""
        node, time, severity, reason, _, anomaly, motion = cls.FORM.unpack(payload)
        check_finite(_WHAT, _HEADER.size + 20, anomaly, motion)
        return cls(node, time, severity, reason, anomaly, motion)


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message of a type that is not known here."""

    type: int
    body: bytes


MeshMessage = (
    TimeSync
    | RoleAssign
    | ChannelPlan
    | CalibrationStart
    | FeatureState
    | Health
    | Alert
    | UnknownMessage
)

_FIXED: dict[int, type[_Fixed]] = {
    kind.TYPE: kind for kind in (TimeSync, RoleAssign, ChannelPlan, CalibrationStart, Health, Alert)
}


@dataclass(frozen=True, slots=True)
class MeshPacket:
    """A message and who sends it.

    Attributes:
        role: of the sender; ``Role`` has the known ones.
        auth: 0 none, 1 HMAC session, 2 Ed25519 batch; what it stands for is not checked here.
    """

    message: MeshMessage
    epoch: int
    role: int = Role.OBSERVER
    auth: int = 0

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            PayloadError: a value does not fit its field.
        """
        kind, payload = _write(self.message)
        if len(payload) > MAX_MESH_PAYLOAD:
            raise PayloadError(f"{_WHAT} carries {MAX_MESH_PAYLOAD} bytes, not {len(payload)}")
        head = (Magic.MESH, _VERSION, kind, self.role, self.auth, self.epoch, len(payload), 0)
        packet = pack(_WHAT, _HEADER, *head) + payload
        return packet + crc32(packet).to_bytes(4, "little")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a datagram.

        Raises:
            ProtocolError: it is none or damaged, told with the offset.
        """
        if len(data) < _HEADER.size:
            raise ProtocolError(f"{_WHAT} ends in its header, at offset {len(data)}")
        magic, version, kind, role, auth, epoch, length, _ = _HEADER.unpack_from(data)
        if magic != Magic.MESH:
            raise ProtocolError(f"{_WHAT} begins with {magic:#010x} at offset 0")
        if version != _VERSION:
            raise ProtocolError(f"{_WHAT} is of version {version} at offset 4, not {_VERSION}")
        if length > MAX_MESH_PAYLOAD:
            raise ProtocolError(f"{_WHAT} states a payload of {length} bytes at offset 12")
        check_length(_WHAT, data, _HEADER.size + length + 4)
        body, check = data[:-4], int.from_bytes(data[-4:], "little")
        if crc32(body) != check:
            raise ProtocolError(f"{_WHAT} does not fit its CRC-32 at offset {len(body)}")
        return cls(_read(kind, bytes(body[_HEADER.size :])), epoch, role, auth)


def _write(message: MeshMessage) -> tuple[int, bytes]:
    match message:
        case FeatureState():
            return _FEATURE_DELTA, message.encode()
        case UnknownMessage():
            if message.type in _FIXED or message.type == _FEATURE_DELTA:
                raise PayloadError(f"type {message.type} of a mesh packet is a known one")
            return message.type, message.body
        case _:
            return message.TYPE, message.payload()


def _read(kind: int, payload: bytes) -> MeshMessage:
    if kind == _FEATURE_DELTA:
        return FeatureState.decode(payload)
    if kind not in _FIXED:
        return UnknownMessage(kind, payload)
    form = _FIXED[kind].FORM
    if len(payload) != form.size:
        raise ProtocolError(
            f"{_WHAT} of type {kind} carries {form.size} bytes, not {len(payload)} at offset 12"
        )
    found: Any = _FIXED[kind].read(payload)
    message: MeshMessage = found
    return message
