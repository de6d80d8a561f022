"""How well sensing does on recordings whose truth is known, ours beside the reference's."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgeflow._native.csi import Calibration, CsiProcessor, CsiVitals
from edgeflow.errors import StoreError
from edgeflow.sensing.evaluation_reference import ReferenceAlgorithm, ReferenceVitals
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording

__all__ = ["SCENES", "Outcome", "Scene", "area_under_curve", "evaluate", "learn", "thinned"]

SECOND = 1_000_000
CALIBRATION_SECONDS = 20.0

Truth = Literal["empty", "still", "moving"]


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording and what is true of it; ``bpm`` is the paced breath of somebody still."""

    name: str
    truth: Truth
    bpm: float | None = None


SCENES = (
    Scene("resp_6rpm", "still", 6.0),
    Scene("resp_puerta_6rpm_b", "still", 6.0),
    Scene("resp_vacio", "empty"),
    Scene("vacio_01", "empty"),
    Scene("mov_01", "moving"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was said of one recording, second by second.

    Attributes:
        seconds: what ours said. reference: what the reference's algorithm would have sent.
    """

    scene: Scene
    seconds: list[CsiVitals]
    reference: list[ReferenceVitals]

    @property
    def scores(self) -> list[float]:
        """Of motion, one a second."""
        return [second.motion_score for second in self.seconds]

    @property
    def breathing(self) -> list[float]:
        """Rates that were told; seconds without one left out."""
        return [bpm for second in self.seconds if (bpm := second.breathing_bpm) is not None]

    @property
    def heart(self) -> list[float]:
        """Rates that were told."""
        return [bpm for second in self.seconds if (bpm := second.heart_bpm) is not None]

    @property
    def present(self) -> float:
        """Part of the seconds."""
        return float(np.mean([second.presence for second in self.seconds]))

    @property
    def reference_scores(self) -> list[float]:
        """Motion energies, one a second."""
        return [second.motion_energy for second in self.reference]

    @property
    def reference_breathing(self) -> list[float]:
        """Rates once there is one."""
        return [second.breathing_bpm for second in self.reference if second.breathing_bpm > 0]

    @property
    def reference_heart(self) -> list[float]:
        """Rates once there is one."""
        return [second.heart_bpm for second in self.reference if second.heart_bpm > 0]

    @property
    def reference_present(self) -> float:
        """Part of the seconds."""
        return float(np.mean([second.presence for second in self.reference]))


def area_under_curve(above: Iterable[float], below: Iterable[float]) -> float:
    """The chance that one of ``above`` is larger than one of ``below``; equal ones count half."""
    one, other = np.array(list(above))[:, None], np.array(list(below))[None, :]
    return float(np.mean((one > other) + 0.5 * (one == other)))


def thinned(frames: Iterable[CsiFrame], rate_hz: float) -> Iterator[CsiFrame]:
    """Leave frames out so that about ``rate_hz`` are left in a second."""
    due = 0.0
    for frame in frames:
        if frame.time_us >= due:
            yield frame
            due = max(due + SECOND / rate_hz, frame.time_us + 0.5 * SECOND / rate_hz)


def _frames(path: Path, rate_hz: float | None) -> Iterator[CsiFrame]:
    frames = (item for item in Recording(path) if isinstance(item, CsiFrame))
    return thinned(frames, rate_hz) if rate_hz else frames


def learn(path: Path, rate_hz: float | None = None) -> Calibration:
    """What the first 20 s of a recording of an empty room teach.

    Raises:
        StoreError: it cannot be read, or is too short.
    """
    processor, start = CsiProcessor(), None
    for frame in _frames(path, rate_hz):
        start = frame.time_us if start is None else start
        if frame.time_us - start > CALIBRATION_SECONDS * SECOND:
            break
        processor.push(frame.time_us, frame.payload, source=frame.source)
    calibration = processor.calibration
    if calibration is None:
        raise StoreError(f"{path}: too short to learn from", hint="20 s of an empty room")
    return calibration


def evaluate(
    scene: Scene, folder: Path, calibration: Calibration, rate_hz: float | None = None
) -> Outcome:
    """Replay a recording through both, and note what they say once a second.

    Raises:
        StoreError: the recording cannot be read.
    """
    ours, reference = CsiProcessor(), ReferenceAlgorithm()
    ours.calibration = calibration
    outcome = Outcome(scene, [], [])
    told: int | None = None
    for frame in _frames(folder / f"{scene.name}.csv.xz", rate_hz):
        told = frame.time_us + SECOND if told is None else told
        while frame.time_us >= told:
            outcome.seconds.append(ours.vitals(told))
            outcome.reference.append(reference.vitals())
            told += SECOND
        ours.push(frame.time_us, frame.payload, source=frame.source)
        reference.push(frame.time_us, frame.pairs)
    return outcome
