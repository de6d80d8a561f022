"""Messages of the climate system, strictly read.

A reading is a bare decimal number, as the requirement has it, or a JSON object with the number, a
sequence and the boot it counts from, by which a redelivered message is told from a new one.
"""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec

from edgeflow.errors import FrameTooLargeError, ProtocolError

__all__ = [
    "MAX_MESSAGE",
    "Boot",
    "Features",
    "InferenceRequest",
    "Override",
    "Reading",
    "Sequence",
    "WindowControl",
    "decode_control",
    "decode_override",
    "decode_reading",
    "decode_request",
    "encode",
    "iso_time",
    "parse_time",
]

MAX_MESSAGE = 4096
"""Bytes of a message that holds no audio."""
MAX_NUMBER = 32
_NUMBER = re.compile(rb"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*")

Message = TypeVar("Message", bound=msgspec.Struct)
Sequence = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
"""Counts readings from 0; -1 for who does not count."""
Boot = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Reading(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One value of one sensor.

    Attributes:
        value: in the unit of its kind (degrees Celsius, per cent, dBFS).
        sequence: counts the device's readings of this kind from 0; -1 if it does not count.
        boot: tells one start of the device from the next.
        time: when it was measured, seconds since the Unix epoch; 0 if the device has no clock.
    """

    value: float
    sequence: Sequence = -1
    boot: Boot = 0
    time: float = 0.0


class Features(msgspec.Struct):
    """What a decision is made from: degrees Celsius, per cent, dBFS (-80 to 0)."""

    temperature: float
    humidity: float
    sound_volume: float


class InferenceRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Asks for the position of a window.

    Attributes:
        timestamp: RFC 3339, when the features were current.
        correlation_id: comes back in the answer. degraded: sensors whose value is a stand-in.
    """

    device_id: str
    timestamp: str
    temperature: float
    humidity: float
    sound_volume: float
    correlation_id: str = ""
    trigger: str = ""
    degraded: list[str] = []

    @property
    def features(self) -> Features:
        """The numbers alone."""
        return Features(self.temperature, self.humidity, self.sound_volume)


class WindowControl(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a window shall be.

    Attributes:
        position: per cent open. confidence: 0 to 1.
        model_version, inference_time_ms, correlation_id, rule: who decided, how fast, on which
            request, and the safety rule that limited it, if one did.
    """

    device_id: str
    timestamp: str
    position: float
    confidence: float
    features_used: Features
    correlation_id: str = ""
    model_version: str = ""
    inference_time_ms: float = 0.0
    rule: str = ""


class Override(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A person says where the window should be: the only labels that a model learns from."""

    position: float
    timestamp: str = ""
    person: str = ""


def decode_reading(payload: bytes) -> Reading:
    """Read a number, or the JSON form with its sequence.

    Raises:
        ProtocolError: it is neither, or the number is not finite.
        FrameTooLargeError: it has more than ``MAX_MESSAGE`` bytes.
    """
    _check_size(payload)
    if payload.lstrip()[:1] == b"{":
        return _json_reading(payload)
    if len(payload) > MAX_NUMBER or _NUMBER.fullmatch(payload) is None:
        raise ProtocolError(
            f"reading: {payload[:40]!r} is no number", hint='for example 25.5, or {"value": 25.5}'
        )
    return _checked(Reading(value=float(payload)), "reading")


def decode_request(payload: bytes) -> InferenceRequest:
    """Read a request for a decision; raises as ``decode_reading``."""
    return _decode(payload, _request, "inference request")


def decode_control(payload: bytes) -> WindowControl:
    """Read where a window shall be; raises as ``decode_reading``."""
    control = _decode(payload, _control, "window control")
    _check_range("window control", "position", control.position, 0.0, 100.0)
    _check_range("window control", "confidence", control.confidence, 0.0, 1.0)
    return control


def decode_override(payload: bytes) -> Override:
    """Read what a person wants: JSON, or the bare position; raises as ``decode_reading``."""
    if payload.lstrip()[:1] == b"{":
        override = _decode(payload, _override, "override")
    else:
        try:
            override = Override(position=decode_reading(payload).value)
        except ProtocolError as error:
            raise ProtocolError(
                f"override: {payload[:40]!r} is no position",
                hint='for example 40, or {"position": 40, "person": "ann"}',
            ) from error
    _check_range("override", "position", override.position, 0.0, 100.0)
    return override


def encode(message: msgspec.Struct) -> bytes:
    """JSON of a message; defaults are left out."""
    return msgspec.json.encode(message)


def iso_time(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, of seconds since the Unix epoch."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def parse_time(text: str) -> float:
    """Seconds since the Unix epoch, of an RFC 3339 time.

    Raises:
        ProtocolError: it is none, or has no offset from UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProtocolError(f"timestamp {text[:40]!r}: {error}", hint="RFC 3339") from error
    if moment.tzinfo is None:
        raise ProtocolError(f"timestamp {text[:40]!r} has no offset", hint="end it with Z")
    return moment.timestamp()


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_MESSAGE:
        raise FrameTooLargeError(
            f"a message of {len(payload)} bytes; at most {MAX_MESSAGE}", hint="is it audio?"
        )


def _decode(payload: bytes, decoder: "msgspec.json.Decoder[Message]", what: str) -> Message:
    _check_size(payload)
    try:
        return _checked(decoder.decode(payload), what)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"{what}: {error}", hint="see docs/reference/climate.md") from error


def _json_reading(payload: bytes) -> Reading:
    try:
        reading = _reading.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"reading: {error}", hint="see docs/reference/climate.md") from error
    if math.isfinite(reading.value) and math.isfinite(reading.time):
        return reading
    return _checked(reading, "reading")


def _checked(message: Message, what: str) -> Message:
    """Return the message if all its numbers are finite, those within included."""
    for name in message.__struct_fields__:
        value: Any = getattr(message, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ProtocolError(f"{what}: {name} is {value}", hint="send a finite number")
        if isinstance(value, msgspec.Struct):
            _checked(value, f"{what}: {name}")
    return message


def _check_range(what: str, name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ProtocolError(f"{what}: {name} is {value:g}", hint=f"from {low:g} to {high:g}")


_reading = msgspec.json.Decoder(Reading)
_request = msgspec.json.Decoder(InferenceRequest)
_control = msgspec.json.Decoder(WindowControl)
_override = msgspec.json.Decoder(Override)
