"""Sensing from channel state by the firmware core: what a node would say of the same frames."""

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow._native.library import ffi, lib
from edgeflow.errors import ConfigError, TensorError

__all__ = ["LENGTHS", "Calibration", "CsiOptions", "CsiProcessor", "CsiVitals"]

Floats: TypeAlias = npt.NDArray[np.float32]

LENGTHS = (52, 64, 128, 192)
_REFUSALS = {-3: "length", -10: "late", -1: "null"}


@dataclass(frozen=True, slots=True)
class CsiOptions:
    """How a processor senses; the defaults are the core's.

    Attributes:
        tier: 1 motion and presence, 2 rates too. top_subcarriers: K, 1 to 32.
        calibration_frames: frames of the room that a threshold is learnt from.
        presence_threshold: a score; 0 takes the calibration's: mean + presence_sigma deviations.
        fall_threshold: rad/s^2, of the channel's pattern before somebody lay still; tier 2 only.
        breathing_low_hz to heart_high_hz: the bands.
        zero_crossing: rates from zero crossings, where the spectrum sees one at all.
    """

    tier: int = 2
    top_subcarriers: int = 8
    calibration_frames: int = 1200
    presence_threshold: float = 0.0
    presence_sigma: float = 3.0
    fall_threshold: float = 50.0
    breathing_low_hz: float = 0.1
    breathing_high_hz: float = 0.5
    heart_low_hz: float = 0.8
    heart_high_hz: float = 2.0
    zero_crossing: bool = False


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt of the empty room: mean and deviation of the score, and the threshold."""

    frames: int
    mean: float
    deviation: float
    threshold: float


@dataclass(frozen=True, slots=True)
class CsiVitals:
    """What is known at a time. Rates are per minute; None means: no reading.

    Attributes:
        fall: somebody fell eight seconds ago and is still; True for 3 s. fall_us: when the last one
            was, 0 for none. Many falls are missed; docs/explanation/csi-accuracy.md says how many.
        calibrated: a threshold of this room is known. degraded: too few frames to say anything.
        motion_score: continuous; motion_threshold is what presence compares it with.
        presence_score: continuous; 1 or more is somebody, by motion or by breath.
        apnea: somebody alone who breathed, and did not move, has not breathed for some 15 s.
        persons: 0 to 4; person_bpm: the rates of those whose breath is known.
        frame_rate: Hz, from the time stamps. refused: frames that were null, late or damaged.
    """

    time_us: int
    presence: bool
    motion: bool
    fall: bool
    calibrated: bool
    degraded: bool
    motion_score: float
    motion_threshold: float
    presence_confidence: float
    presence_score: float
    apnea: bool
    breathing_bpm: float | None
    breathing_confidence: float
    heart_bpm: float | None
    heart_confidence: float
    persons: int
    person_bpm: tuple[float, ...]
    frame_rate: float
    rssi: int
    frames: int
    refused: int
    fall_us: int = 0


_PLAIN = [
    field.name
    for field in fields(CsiVitals)
    if field.name not in {"breathing_bpm", "heart_bpm", "person_bpm"}
]


class CsiProcessor:
    """One node's state. Calls must not overlap.

    Raises:
        ConfigError: the core refuses the options.
        MissingExtraError: cffi is not installed.
    """

    def __init__(self, options: CsiOptions | None = None) -> None:
        chosen = options or CsiOptions()
        self.struct: Any = ffi.new("ef_csi *")
        own = ffi.new("ef_csi_options *")
        try:
            for field in fields(chosen):
                setattr(own, field.name, getattr(chosen, field.name))
        except (OverflowError, TypeError) as error:
            raise ConfigError(f"CSI options: {error}", hint="see CsiOptions") from error
        if lib.ef_csi_init(self.struct, own) != lib.EF_OK:
            raise ConfigError(
                f"CSI options out of range: {chosen}",
                hint="tier 1 or 2, 1 to 32 subcarriers, bands within 0.05-1 Hz and 0.5-3.5 Hz",
            )
        self._frame: Any = ffi.new("ef_csi_frame *")
        self._vitals: Any = ffi.new("ef_csi_vitals *")

    def push(
        self,
        time_us: int,
        pairs: bytes | bytearray | memoryview | npt.NDArray[np.int8],
        *,
        rssi: int = 0,
        source: int = 0,
    ) -> str | None:
        """Take one frame in.

        Args:
            time_us: monotonic microseconds, of the node or of the receiver.
            pairs: int8 bytes, imaginary part first, 2 per subcarrier.
            rssi: dBm.
            source: 0 to 255, tells senders apart.

        Returns:
            None, or why the frame was refused: ``length``, ``late`` or ``null``.

        Raises:
            TensorError: a number does not fit its field.
        """
        data = ffi.from_buffer("int8_t[]", pairs)
        frame = self._frame
        count, odd = divmod(len(data), 2)
        frame.pairs = data
        frame.subcarriers = 0 if odd or count > lib.EF_CSI_MAX_SUBCARRIERS else count
        try:
            frame.time_us, frame.rssi, frame.source = time_us, rssi, source
        except OverflowError as error:
            raise TensorError(
                f"CSI frame: {error}", hint="source 0-255, time not below 0"
            ) from error
        return _REFUSALS.get(lib.ef_csi_push(self.struct, frame))

    def vitals(self, time_us: int) -> CsiVitals:
        """Return what is known at a time, which may be after the last frame."""
        said = self._vitals
        lib.ef_csi_get_vitals(self.struct, time_us, said)
        plain = {name: getattr(said, name) for name in _PLAIN}
        return CsiVitals(
            **plain,
            breathing_bpm=said.breathing_bpm or None,
            heart_bpm=said.heart_bpm or None,
            person_bpm=tuple(rate for rate in said.person_bpm if rate > 0),
        )

    def watch(self, time_us: int) -> tuple[bool, bool]:
        """Return presence and fall alone, for a look at every frame."""
        said = self._vitals
        lib.ef_csi_get_vitals(self.struct, time_us, said)
        return said.presence, said.fall

    def calibrate(self) -> None:
        """Start to learn the empty room anew."""
        lib.ef_csi_calibrate(self.struct)

    @property
    def calibration(self) -> Calibration | None:
        """What was learnt so far; None when that is too little to say anything."""
        learnt = ffi.new("ef_csi_calibration *")
        if not lib.ef_csi_get_calibration(self.struct, learnt):
            return None
        return Calibration(learnt.frames, learnt.mean, learnt.deviation, learnt.threshold)

    @calibration.setter
    def calibration(self, known: Calibration) -> None:
        own = ffi.new("ef_csi_calibration *")
        own.frames, own.mean = known.frames, known.mean
        own.deviation, own.threshold = known.deviation, known.threshold
        lib.ef_csi_set_calibration(self.struct, own)

    def amplitudes(self) -> Floats:
        """Of the newest frame, normalised; zero where a subcarrier carries nothing."""
        return self._floats(lib.ef_csi_amplitudes)

    def phases(self) -> Floats:
        """Of the newest frame, without common offset and slope, in rad."""
        return self._floats(lib.ef_csi_phases)

    def variances(self) -> Floats:
        """Of the normalised amplitudes over the last seconds."""
        return self._floats(lib.ef_csi_variances)

    def top(self) -> list[int]:
        """The subcarriers whose changes survive best from frame to frame, best first."""
        to = ffi.new("uint16_t[]", 32)
        return list(to[0 : lib.ef_csi_top(self.struct, to, 32)])

    def _floats(self, read: Any) -> Floats:
        to = np.zeros(lib.EF_CSI_MAX_SUBCARRIERS, np.float32)
        count = read(self.struct, ffi.from_buffer("float[]", to), len(to))
        return to[:count].copy()
