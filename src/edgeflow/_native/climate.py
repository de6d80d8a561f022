"""Climate nodes by the firmware core: what is read, told and moved, and when. Times are seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from edgeflow._native.library import ffi, lib
from edgeflow.errors import ConfigError

__all__ = [
    "ClimateMessage",
    "NativeClimateNode",
    "NodeCounters",
    "read_dht22",
    "sound_message",
    "sound_volume",
]

OUTBOX_BYTES = 4096
Taken: TypeAlias = Literal["ignored", "refused", "moves", "configured"]
_TAKEN: tuple[Taken, ...] = ("ignored", "refused", "moves", "configured")
_STATES = ("unknown", "homing", "resting", "moving", "stalled")
_TOPICS = {"status": 0, "control": 1, "config": 2, "ack": 3, "audio": 4, "override": 5}
_FAILED = -8
HEAD_BYTES = 160
TAIL = b'"}'


@dataclass(frozen=True, slots=True)
class ClimateMessage:
    """To be sent at QoS 1."""

    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class NodeCounters:
    """Counts since the start.

    Attributes:
        waiting: readings that no broker has confirmed. confirmed: those that one has.
        dropped: those that gave way to newer ones. failures: of the sensor.
        repeats: messages sent again for want of an answer. refused: commands that made no sense.
        audio, audio_missed: stretches of sound told, and those that nobody could hear.
    """

    waiting: int
    confirmed: int
    dropped: int
    failures: int
    repeats: int
    refused: int
    audio: int
    audio_missed: int


class NativeClimateNode:
    """One node; the caller owns sensors, motor, clock and connection. One thread at a time.

    Args:
        name: of the device. boot: tells one start from the next.
        now: seconds of a clock that never goes back, as everywhere here.
        motor: which one. settings: numbers by their key, as the topic of the configuration takes
            them. outbox: bytes for readings that wait, 19 each.

    Raises:
        ConfigError: a name or a setting that makes no sense.
        MissingExtraError: cffi is not installed.
    """

    def __init__(
        self,
        name: str,
        boot: int,
        now: float,
        *,
        motor: Literal["servo", "stepper"] = "servo",
        settings: Mapping[str, float] | None = None,
        outbox: int = OUTBOX_BYTES,
    ) -> None:
        self._memory: Any = ffi.new("uint8_t[]", outbox)
        self._node: Any = ffi.new("ef_climate_node *")
        self._message: Any = ffi.new("ef_climate_message *")
        self._air: Any = ffi.new("ef_air *")
        chosen = ffi.new("ef_climate_settings *")
        chosen[0] = lib.ef_climate_default_settings(1 if motor == "stepper" else 0)
        _choose(chosen, settings or {})
        status = lib.ef_climate_init(
            self._node, name.encode(), boot, chosen, self._memory, outbox, _milliseconds(now)
        )
        if status != lib.EF_OK:
            raise ConfigError(
                f"no climate node can be called {name[:80]!r} with {outbox} bytes for readings",
                hint="1 to 64 letters, digits and _ . : -; 19 bytes for a reading",
            )

    def set_time(self, unix: float, now: float) -> None:
        """Tell what the clock says: readings carry it from then on, those that wait too."""
        lib.ef_climate_set_time(self._node, int(unix * 1000), _milliseconds(now))

    # Sensors and motor

    def wants_air(self, now: float) -> bool:
        """Whether the sensor is to be read."""
        return bool(lib.ef_climate_wants_air(self._node, _milliseconds(now)))

    def air(self, temperature: float, humidity: float, now: float, pressure: float = 0.0) -> None:
        """Tell what the sensor says: degrees Celsius, per cent, hPa (0: it has none)."""
        self._air.temperature, self._air.humidity = temperature, humidity
        self._air.pressure = pressure
        lib.ef_climate_air(self._node, lib.EF_OK, self._air, _milliseconds(now))

    def air_failed(self, now: float) -> None:
        """Tell that the sensor did not answer."""
        lib.ef_climate_air(self._node, _FAILED, ffi.NULL, _milliseconds(now))

    def motor(self, now: float) -> float:
        """Let the motor move up to now; return what it is told (us of a pulse, or steps)."""
        return float(lib.ef_climate_motor(self._node, _milliseconds(now)))

    def end_switch(self) -> None:
        """Tell that a stepper has reached its end switch."""
        lib.ef_drive_end_switch(ffi.addressof(self._node, "drive"))

    def measured(self, at: float, seconds: float) -> None:
        """Tell where the motor really is, in its units, so long after the last time."""
        lib.ef_drive_measured(ffi.addressof(self._node, "drive"), at, seconds)

    @property
    def position(self) -> float:
        """Where the window is, per cent open."""
        return float(self._node.drive.position)

    @property
    def drive(self) -> str:
        """``unknown``, ``homing``, ``resting``, ``moving`` or ``stalled``."""
        return _STATES[self._node.drive.state]

    # Connection

    def connected(self) -> None:
        """There is a connection, on which control, override and config are subscribed."""
        lib.ef_climate_connected(self._node)

    def lost(self) -> None:
        """The connection is gone."""
        lib.ef_climate_lost(self._node)

    def next(self, now: float) -> ClimateMessage | None:
        """Return the next message to send; None if there is none, or one has no answer yet."""
        if not lib.ef_climate_next(self._node, self._message, _milliseconds(now)):
            return None
        message = self._message
        payload = bytes(ffi.buffer(message.payload, message.size))
        return ClimateMessage(ffi.string(message.topic).decode(), payload, bool(message.retain))

    def confirmed(self) -> None:
        """Tell that the broker has the message that ``next`` gave."""
        lib.ef_climate_confirmed(self._node)

    def take(self, topic: str, payload: bytes) -> Taken:
        """Take what came on a topic; say what came of it."""
        name = topic.encode("utf-8", "replace").replace(b"\0", b"?")
        data = ffi.from_buffer("char[]", payload)
        taken: int = lib.ef_climate_take(self._node, name, data, len(payload))
        return _TAKEN[taken]

    def topic(
        self, name: Literal["status", "control", "config", "ack", "audio", "override"]
    ) -> str:
        """One of this node's topics."""
        to = ffi.new("char[]", lib.EF_CLIMATE_TOPIC)
        lib.ef_climate_write_topic(self._node, _TOPICS[name], to)
        return bytes(ffi.string(to)).decode()

    def wait(self, now: float) -> float:
        """Seconds until something is due by itself."""
        return float(lib.ef_climate_wait_ms(self._node, _milliseconds(now))) / 1000.0

    # Sound

    def wants_audio(self, now: float) -> bool:
        """Whether a stretch of sound is to be recorded."""
        return bool(lib.ef_climate_wants_audio(self._node, _milliseconds(now)))

    def audio(self, samples: npt.NDArray[np.int16], rate: int, now: float) -> bytes | None:
        """Return the message of a recorded stretch, mono; None when nobody hears it."""
        sound = ffi.new("ef_sound *")
        sound.count = len(samples)
        head = ffi.new("char[]", HEAD_BYTES)
        size = lib.ef_climate_audio_head(
            self._node, sound, rate, head, HEAD_BYTES, _milliseconds(now)
        )
        if not size:
            return None
        return bytes(ffi.buffer(head, size)) + sound_message(samples) + TAIL

    @property
    def counters(self) -> NodeCounters:
        """What it has done."""
        node = self._node
        return NodeCounters(
            waiting=node.outbox.messages,
            confirmed=node.popped,
            dropped=node.outbox.dropped,
            failures=node.failures,
            repeats=node.repeats,
            refused=node.refused,
            audio=node.audio_sequence,
            audio_missed=node.audio_missed,
        )


def sound_message(samples: npt.NDArray[np.int16]) -> bytes:
    """Base64 of samples, as the core makes it in pieces."""
    data = np.ascontiguousarray(samples, "<i2").tobytes()
    state = ffi.new("ef_base64 *")
    to = ffi.new("char[]", 4 * ((len(data) + 2) // 3) + 4)
    count = lib.ef_base64_push(state, ffi.from_buffer("uint8_t[]", data), len(data), to)
    count += lib.ef_base64_end(state, to + count)
    return bytes(ffi.buffer(to, count))


def sound_volume(frames: npt.NDArray[np.int32]) -> float:
    """Volume in dBFS of frames as an I2S microphone gives them, by the core."""
    data = np.ascontiguousarray(frames, np.int32)
    samples = ffi.new("int16_t[]", max(1, len(data)))
    sound = ffi.new("ef_sound *", {"samples": samples, "capacity": len(data)})
    lib.ef_sound_take(sound, ffi.from_buffer("int32_t[]", data), len(data))
    return float(lib.ef_sound_volume(sound))


def read_dht22(high_us: Sequence[int]) -> tuple[float, float] | None:
    """Degrees Celsius and per cent of a DHT22's pulses; None where they are none."""
    air = ffi.new("ef_air *")
    if lib.ef_dht22_decode(ffi.new("uint16_t[]", list(high_us)), len(high_us), air) != lib.EF_OK:
        return None
    return air.temperature, air.humidity


def _choose(chosen: Any, settings: Mapping[str, float]) -> None:
    text = msgspec.json.encode(dict(settings))
    refused = ffi.new("const char **")
    if lib.ef_climate_take_settings(chosen, text, len(text), refused) != lib.EF_OK:
        name = ffi.string(refused[0]).decode()
        raise ConfigError(
            f"climate node: {name} is {settings.get(name)!r}",
            hint="see docs/how-to/climate-node.md for the keys and their ranges",
        )


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000.0)
